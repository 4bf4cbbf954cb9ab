"""An episode depends on its scene and commands alone, to the last bit: state and pictures."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from simulator_contract import arm_above, grasped, scene

from collectors.geometry import Pose
from collectors.objects import YCB
from collectors.scene import Scene
from collectors.simulator import Action, Observation, Simulator, Tick
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.simulators import SimulatorSettings

SETTINGS = SimulatorSettings(use_ycb=True)
BOX, CAN, BOTTLE = (YCB[name] for name in ("004_sugar_box", "005_tomato_soup_can", "006_mustard_bottle"))
TICKS = 40
ROOT = Path(__file__).parents[2]


def bytes_of(seen: Observation) -> bytes:
    poses = [seen.hand_to_world.matrix(), seen.object_to_world.matrix()]
    arrays = [np.array(seen.time_s), seen.arm_rad, seen.arm_rad_s, seen.finger_m, *poses, *seen.images.values()]
    return b"".join(array.tobytes() for array in arrays)


def episode(simulator: Simulator, blind: bool = False) -> str:
    """Close on a can and lift it: contacts, the weld and falling are all in it. The digest of everything observed."""
    xy = (0.5, 0.1)
    grasp, above = arm_above(CAN, xy, 0.0), arm_above(CAN, xy, 0.1)
    simulator.reset(scene(CAN, xy, arm_rad=tuple(grasp), object_rgb=(0.7, 0.2, 0.1)))
    digest = hashlib.sha256(bytes_of(simulator.observe()))
    for tick in range(TICKS):
        if tick == 15:
            simulator.attach()
        if tick == 32:
            simulator.detach()
        share = min(1.0, max(0.0, (tick - 15) / 15))
        simulator.command(Action(grasp + share * (above - grasp), 0.0 if tick < 30 else 0.04))
        images = tick % 10 == 9
        simulator.advance(Tick(images and not blind))
        if images:
            seen = simulator.observe(images=not blind)
            digest.update(bytes_of(seen) if not blind else b"")
    digest.update(bytes_of(simulator.observe()))
    return digest.hexdigest()


def history(simulator: Simulator) -> None:
    """Another object, coloured, grasped and still welded, thrown about, in the middle of a motion."""
    grasped(simulator, BOX)
    for turn in (0.6, -0.6):
        simulator.command(Action(arm_above(BOX, (0.5, 0.1), 0.1) + turn, 0.02))
        for _ in range(7):
            simulator.advance(Tick(images=turn > 0))
    fallen = Pose((0.6, 0.1, 0.7), (0.8, 0.6, 0.0, 0.0))
    simulator.reset(Scene(BOTTLE, fallen, (0.1, 0.9, 0.9), (0.3, 0.3)))
    for _ in range(23):
        simulator.advance(Tick(images=False))


def test_an_episode_is_bit_equal_after_any_history_and_in_a_new_process() -> None:
    simulator = MujocoSimulator(SETTINGS)
    first = episode(simulator)
    assert episode(simulator) == first
    history(simulator)
    assert episode(simulator) == first
    simulator.close()
    paths = {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}
    again = subprocess.run([sys.executable, __file__], env=os.environ | paths, capture_output=True, text=True)
    assert again.stdout.strip() == first, again.stderr


def test_taking_pictures_changes_nothing_else() -> None:
    simulator = MujocoSimulator(SETTINGS)

    def last_state(blind: bool) -> bytes:
        episode(simulator, blind)
        return bytes_of(simulator.observe())

    assert last_state(blind=True) == last_state(blind=False)
    simulator.close()


def test_the_digest_sees_a_difference() -> None:
    """So that equal digests above mean something."""
    simulator = MujocoSimulator(SETTINGS)
    simulator.reset(scene(CAN))
    simulator.advance(Tick(images=True))
    one = bytes_of(simulator.observe(images=True))
    simulator.reset(scene(CAN, object_rgb=(0.80, 0.12, 0.08)))
    simulator.advance(Tick(images=True))
    other = bytes_of(simulator.observe(images=True))
    assert one != other
    simulator.close()


if __name__ == "__main__":
    in_this_process = MujocoSimulator(SETTINGS)
    print(episode(in_this_process))
    in_this_process.close()
