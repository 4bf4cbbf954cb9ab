"""The mappings that need no file: of our own exports, of Isaac Lab's Franka; and a first draft for anything else."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sim_service.export.hdf5_layout import FORMAT, INFO, MAPPING
from sim_service.export.hdf5_library import Hdf5Error
from sim_service.importing.demos import DemoFile
from sim_service.importing.mapping import DemoMapping, MappingError, Source, mapping_of, mapping_text

_ROBOT: Final = "articulation/robot"
_OBJECTS: Final = "states/rigid_object/"
_FRANKA_JOINTS: Final = 9  # panda_joint1 to 7, panda_finger_joint1 and 2: Isaac Lab's FRANKA_PANDA_CFG
_FRANKA: Final = "franka_panda"
_GRIPPER: Final = "action_gripper_binary"  # 1 opens, -1 closes: Isaac Lab's BinaryJointPositionActionCfg
_XYZ: Final = ("x", "y", "z")
_WXYZ: Final = ("w", "x", "y", "z")


def own_mapping(file: DemoFile) -> DemoMapping | None:
    """Of an export by this program; None of any other file. Raises Hdf5Error where it is damaged or too new."""
    content, about = file.json(MAPPING), file.json(INFO)
    if content is None or about is None:
        return None
    if about.get("format") != FORMAT:
        raise Hdf5Error(f"{file.path} is an export of format {about.get('format')!r}; this version reads {FORMAT}")
    try:
        return mapping_of(content)
    except MappingError as error:
        raise Hdf5Error(f"{file.path}: {MAPPING} is damaged: {error}") from error


def isaac_lab_mapping(file: DemoFile) -> DemoMapping | None:
    """Of what Isaac Lab and Isaac Lab Mimic record of a Franka; None of any other file.

    `states` holds what was there after an action, `obs` what was there before it: a frame takes the state before.
    """
    arrays = file.arrays(file.names[0])
    position, velocity = f"{_ROBOT}/joint_position", f"{_ROBOT}/joint_velocity"
    wanted = [f"{group}/{key}" for group in ("states", "initial_state") for key in (position, velocity)]
    if any(key not in arrays or arrays[key][0][1:] != (_FRANKA_JOINTS,) for key in wanted):
        return None
    arm, fingers = tuple(range(7)), (7, 8)

    def before(key: str, names: tuple[str, ...], columns: tuple[int, ...]) -> Source:
        return Source(f"states/{key}", names, columns, initial=f"initial_state/{key}")

    quat = (3, 0, 1, 2) if file.quaternions_end_with_w else (0, 1, 2, 3)
    state = [
        before(position, tuple(f"joint_pos_{i}" for i in arm), arm),
        before(velocity, tuple(f"joint_vel_{i}" for i in arm), arm),
        before(position, ("gripper_pos_0", "gripper_pos_1"), fingers),
    ]
    # The tool point between the fingertips, not panda_hand: hence another name than eef_pos.
    if "obs/eef_pos" in arrays and "obs/eef_quat" in arrays:
        state.append(Source("obs/eef_pos", tuple(f"tool_pos_{axis}" for axis in _XYZ)))
        state.append(Source("obs/eef_quat", tuple(f"tool_quat_{axis}" for axis in _WXYZ), quat))
    pose = (0, 1, 2, *(3 + column for column in quat))
    names = (*_XYZ, *(f"quat_{axis}" for axis in _WXYZ))
    extra = {
        f"privileged.{thing}_pose": (before(f"rigid_object/{thing}/root_pose", names, pose),)
        for thing in sorted({key.removeprefix(_OBJECTS).split("/")[0] for key in arrays if key.startswith(_OBJECTS)})
        if f"initial_state/rigid_object/{thing}/root_pose" in arrays
    }
    return DemoMapping(tuple(state), _isaac_lab_action(file, arrays), extra, _cameras(arrays), _FRANKA)


def _isaac_lab_action(file: DemoFile, arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> tuple[Source, ...]:
    """By the environment's name, as Isaac Lab's own are named: ...-IK-Rel-..., ...-IK-Abs-...."""
    environment = str(file.env_args.get("env_name", ""))
    shape = arrays.get("actions", ((0, 0), np.dtype(np.float32)))[0]
    size = shape[1] if len(shape) == 2 else 0
    quat = (*_XYZ, "w") if file.quaternions_end_with_w else _WXYZ
    if "IK-Rel" in environment and size == 7:
        names = tuple(f"action_delta_{kind}_{axis}" for kind in ("pos", "rot") for axis in _XYZ)
    elif "IK-Abs" in environment and size == 8:
        names = (*(f"action_pos_{axis}" for axis in _XYZ), *(f"action_quat_{axis}" for axis in quat))
    else:
        raise Hdf5Error(
            f"{file.path}: the {size} numbers of an action of {environment or 'an unnamed environment'} are not known; "
            "known are 7 of an environment named ...-IK-Rel-... and 8 of one named ...-IK-Abs-.... "
            f"{draft_text(file)}"
        )
    return (Source("actions", (*names, _GRIPPER)),)


def draft_text(file: DemoFile) -> str:
    """What the file holds, and a mapping to begin with, for a person."""
    return (
        f"Give a mapping, --mapping FILE.\n{file.contents()}\nA mapping to begin with; give it the state that a policy "
        "is to see, names, and scales such as 0.001 for mm or 0.017453292519943295 for degrees:\n"
        f"{mapping_text(_draft(file))}"
    )


def _draft(file: DemoFile) -> DemoMapping:
    """Every vector under obs becomes the state."""
    arrays = file.arrays(file.names[0])

    def source(key: str) -> Source:
        shape = arrays[key][0]
        name = key.removeprefix("obs/").replace("/", "_")
        return Source(key, tuple(f"{name}_{number}" for number in range(int(np.prod(shape[1:])))))

    vectors = [key for key, (shape, dtype) in arrays.items() if dtype.kind == "f" and len(shape) in (1, 2)]
    state = tuple(source(key) for key in vectors if key.startswith("obs/"))
    action = tuple(source(key) for key in vectors if key == "actions")
    return DemoMapping(state, action, cameras=_cameras(arrays))


def _cameras(arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> dict[str, str]:
    """Whatever under obs can be pictures."""
    return {
        key.removeprefix("obs/").removesuffix("_image").replace("/", "_"): key
        for key, (shape, dtype) in arrays.items()
        if key.startswith("obs/") and len(shape) == 4 and shape[3] == 3 and dtype == np.uint8
    }
