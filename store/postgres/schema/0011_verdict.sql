-- SPDX-License-Identifier: Apache-2.0
-- What chard itself thought of a failure when the task died: 'transient', 'permanent', or '' where that is not known.
alter table chard.dead_letter add column verdict text not null default '';
