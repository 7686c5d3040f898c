# What the contracts say to the cloud: which entities there are, and how long what is released of them may be kept.
#
# Belongs here: reading ../contracts. Not here: the name of any entity: a new contract is found by the next plan.

locals {
  contracts_dir = "${path.module}/../contracts"
  documents = {
    for name in fileset(local.contracts_dir, "*.yaml") : name => yamldecode(file("${local.contracts_dir}/${name}"))
  }
  # The folder holds approvals too, which are no contract.
  contracts = {
    for name, document in local.documents : document.name => document if try(document.kind, "") == "DataContract"
  }

  days_in = { d = 1, y = 365 }
  retention_days = {
    for entity, contract in local.contracts : entity => one([
      for level in contract.slaProperties : level.value * local.days_in[level.unit] if level.property == "retention"
    ])
  }

  # A raw object holds the events of all entities, so it goes when the first of them has to.
  longest_raw_days = min(values(local.retention_days)...)
  raw_days         = coalesce(var.raw_days, local.longest_raw_days)
}
