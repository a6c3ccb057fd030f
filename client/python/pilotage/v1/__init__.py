"""The messages of the contract, generated from proto/pilotage/v1 when the wheel is built."""
