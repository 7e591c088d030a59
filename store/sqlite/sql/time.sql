-- SPDX-License-Identifier: Apache-2.0

-- How the tables' times are printed: as PostgreSQL prints them in JSON.
-- part: iso(column)
rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%S', {{column}} / 1000000, 'unixepoch')
|| printf('.%06d', {{column}} % 1000000), '0'), '.') || '+00:00'
