"""What goes wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Faults:
    """May be changed while the stand-in runs. Updates are counted as `Isaac.updates` counts them.

    no_asset_root: the asset server cannot be reached. missing_franka: it has no robot. missing_looks: it has no
    such objects. loading_updates: so many application updates pass until the assets of a stage are there.
    picture_delay: application updates by which pictures lag; None: as the settings have it. black_frames: the first
    pictures of a camera after each start. never_a_frame: cameras give nothing. empty_frame_at: the update whose picture
    is missing.
    plays_lost: so many requests to play go nowhere, as on 6.0 without a window. views_stale_after: physics steps after
    which every handle is stale, once. slow_time: so many updates that step make one physics step too few. weld_slip_m:
    how far a welded object slips in the hand. stop_at_update: the user stops the timeline then.
    update_s: length of an update, where the application's loop is not Isaac Sim's own, which has it that of the world.
    physics_first: in an update physics steps before the subscribers to it are called, not after.
    stage_after_updates: the application opens its own first stage in that update, as on 6.0, in place of any other.
    close_hangs: SimulationApp.close() waits for `Isaac.release_close`.
    missing_extensions: names of Kit extensions that this installation lacks.
    no_camera_class: isaacsim.sensors.camera cannot be imported, as after 6.0.
    """

    no_asset_root: bool = False
    missing_franka: bool = False
    missing_looks: frozenset[str] = frozenset()
    loading_updates: int = 0
    picture_delay: int | None = None
    black_frames: int = 0
    never_a_frame: bool = False
    empty_frame_at: int | None = None
    plays_lost: int = 0
    views_stale_after: int | None = None
    slow_time: int = 0
    weld_slip_m: float = 0.0
    stop_at_update: int | None = None
    update_s: float | None = None
    physics_first: bool = False
    stage_after_updates: int = 0
    close_hangs: bool = False
    missing_extensions: frozenset[str] = frozenset()
    no_camera_class: bool = False
