# SPDX-License-Identifier: Apache-2.0
config {
  call_module_type = "local"
}

plugin "terraform" {
  enabled = true
  preset  = "all"
}
