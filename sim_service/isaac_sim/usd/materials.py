"""Materials: what a surface looks like, and how it grips."""

from __future__ import annotations

from typing import Final

from pxr import Gf, Sdf, Usd, UsdPhysics, UsdShade

from sim_service.isaac_sim.usd import paths

# Of the object against everything.
STATIC_FRICTION: Final = 1.5
DYNAMIC_FRICTION: Final = 1.0
RESTITUTION: Final = 0.0

_ROUGHNESS: Final = 0.6  # matt: a highlight would hide what the cameras are for


def author_surface(stage: Usd.Stage, name: str, linear_rgb: tuple[float, float, float]) -> UsdShade.Material:
    """A matt material below paths.MATERIALS. linear_rgb: 0..1, linear light."""
    material = UsdShade.Material.Define(stage, f"{paths.MATERIALS}/{name}")
    shader = UsdShade.Shader.Define(stage, material.GetPath().AppendChild("surface"))
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*linear_rgb))
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(_ROUGHNESS)
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return material


def set_surface_rgb(stage: Usd.Stage, name: str, linear_rgb: tuple[float, float, float]) -> None:
    """Change the colour of a material of `author_surface`."""
    shader = UsdShade.Shader(stage.GetPrimAtPath(f"{paths.MATERIALS}/{name}/surface"))
    shader.GetInput("diffuseColor").Set(Gf.Vec3f(*linear_rgb))


def surface(stage: Usd.Stage, name: str) -> UsdShade.Material:
    """A material of `author_surface`."""
    return UsdShade.Material(stage.GetPrimAtPath(f"{paths.MATERIALS}/{name}"))


def bind_surface(prim: Usd.Prim, material: UsdShade.Material) -> None:
    UsdShade.MaterialBindingAPI.Apply(prim).Bind(material)


def author_grip(stage: Usd.Stage, path: str = paths.GRIP_MATERIAL) -> UsdShade.Material:
    """The friction of the objects, or of what else is bound to it."""
    material = UsdShade.Material.Define(stage, path)
    physics = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
    physics.CreateStaticFrictionAttr(STATIC_FRICTION)
    physics.CreateDynamicFrictionAttr(DYNAMIC_FRICTION)
    physics.CreateRestitutionAttr(RESTITUTION)
    return material


def set_grip(stage: Usd.Stage, friction: float) -> None:
    """Scale the friction of the objects. friction: their dynamic one."""
    physics = UsdPhysics.MaterialAPI(stage.GetPrimAtPath(paths.GRIP_MATERIAL))
    physics.GetStaticFrictionAttr().Set(STATIC_FRICTION * friction / DYNAMIC_FRICTION)
    physics.GetDynamicFrictionAttr().Set(friction)


def bind_grip(prim: Usd.Prim, material: UsdShade.Material) -> None:
    UsdShade.MaterialBindingAPI.Apply(prim).Bind(
        material, bindingStrength=UsdShade.Tokens.weakerThanDescendants, materialPurpose="physics"
    )


def linear_from_srgb(srgb: tuple[float, float, float]) -> tuple[float, float, float]:
    """Linear light, 0..1, of a colour as pictures store it: the transfer function of IEC 61966-2-1."""
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in srgb
    )
    return red, green, blue
