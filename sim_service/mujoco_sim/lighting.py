"""The lights, for both renderers: linear shading without gamma, so a surface that gets 1.0 shows its own colour.

Stand-ins for the dome, the key light and the lamp of the Isaac Sim scene. A level surface seen from above gets
0.40 + 0.22 * cos(view) + 0.45 * 0.85, which is just under 1: nothing on the table is over-exposed.
"""

from __future__ import annotations

from typing import Final

AMBIENT: Final = 0.40
HEADLIGHT_DIFFUSE: Final = 0.22  # shines along the line of sight of whichever camera looks

KEY_DIFFUSE: Final = 0.45
KEY_POSITION_M: Final = (1.1, -0.95, 2.5)  # centre of the shadow map; the light itself is directional
KEY_TARGET_M: Final = (0.4, 0.0, 0.4)
KEY_SPECULAR: Final = 0.25
