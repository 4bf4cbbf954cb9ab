"""One dataset on Isaac Sim: `/isaac-sim/python.sh isaac_pick_place_collector.py --num-episodes 50 --output DIR`."""

from sim_service.isaac_sim.launch import run_collection_in_process, run_collector

__all__ = ["run_collection_in_process"]

if __name__ == "__main__":
    run_collector()
