"""The service on Isaac Sim: `/isaac-sim/python.sh run_interactive.py --headless --streaming --streaming-port 49102`."""

from sim_service.isaac_sim.launch import run_interactive

if __name__ == "__main__":
    run_interactive()
