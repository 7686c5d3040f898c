"""The demo's cloud: PostgreSQL and an emulator of the AWS services used, each one process on this machine."""
