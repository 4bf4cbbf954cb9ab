"""HTTP in front of the simulator service; may import only `sim_service.commands` and `sim_service.ports`."""
