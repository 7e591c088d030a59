-- SPDX-License-Identifier: Apache-2.0
-- When a message came into its queue: milliseconds since 1970; 0 = before this was written down.

alter table broker_message add column queued_ms integer not null default 0;
