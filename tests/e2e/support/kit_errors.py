# SPDX-License-Identifier: Apache-2.0
"""An exception of one's own: where a client has it too, it is raised as what it is."""


class KitError(Exception):
    pass
