"""Table and floor: static bodies, in plain colours, the table also in a texture."""

from __future__ import annotations

from typing import Final

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade, Vt

from collectors.geometry import Pose
from collectors.scene import TABLE_CENTRE_M, TABLE_RGB, TABLE_SIZE_M, TABLE_SURFACE_Z_M, Table
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.materials import author_surface, bind_surface, set_surface_rgb
from sim_service.isaac_sim.usd.shapes import author_box
from sim_service.isaac_sim.usd.xform import set_transform, set_translation

FLOOR_RGB: Final = (0.34, 0.36, 0.39)
FLOOR_SIZE_M: Final = (20.0, 20.0, 0.1)  # a slab, not a plane: unused objects are parked underneath
FLOOR_CENTRE_M: Final = (0.0, 0.0, -FLOOR_SIZE_M[2] / 2)  # its surface is z = 0

_TOP_ABOVE_M: Final = 0.0002  # of the table: else both are seen by turns; the goal disc is 1 mm high


def author_furniture(stage: Usd.Stage) -> None:
    for path, size_m, centre_m, rgb in (
        (paths.TABLE, TABLE_SIZE_M, TABLE_CENTRE_M, TABLE_RGB),
        (paths.FLOOR, FLOOR_SIZE_M, FLOOR_CENTRE_M, FLOOR_RGB),
    ):
        prim = author_box(stage, path, size_m, Pose(centre_m))
        UsdPhysics.CollisionAPI.Apply(prim)
        bind_surface(prim, author_surface(stage, prim.GetName(), rgb))


def author_table_top(stage: Usd.Stage) -> None:
    """What shows a texture: a sheet on the table, since a UsdGeom.Cube has no texture coordinates. Unseen at first."""
    half_x, half_y = TABLE_SIZE_M[0] / 2, TABLE_SIZE_M[1] / 2
    sheet = UsdGeom.Mesh.Define(stage, paths.TABLE_TOP)
    corners = [(-half_x, -half_y, 0), (half_x, -half_y, 0), (half_x, half_y, 0), (-half_x, half_y, 0)]
    sheet.CreatePointsAttr(Vt.Vec3fArray([Gf.Vec3f(*corner) for corner in corners]))
    sheet.CreateFaceVertexCountsAttr(Vt.IntArray([4]))
    sheet.CreateFaceVertexIndicesAttr(Vt.IntArray([0, 1, 2, 3]))
    sheet.CreateNormalsAttr(Vt.Vec3fArray([Gf.Vec3f(0, 0, 1)] * 4))
    sheet.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    coordinates = UsdGeom.PrimvarsAPI(sheet).CreatePrimvar(
        "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex
    )
    coordinates.Set(Vt.Vec2fArray([Gf.Vec2f(*st) for st in ((0, 0), (1, 0), (1, 1), (0, 1))]))
    sheet.CreateExtentAttr(UsdGeom.Boundable.ComputeExtentFromPlugins(sheet, Usd.TimeCode.Default()))
    sheet.CreateVisibilityAttr(UsdGeom.Tokens.invisible)
    set_transform(sheet.GetPrim(), Pose((*TABLE_CENTRE_M[:2], TABLE_SURFACE_Z_M + _TOP_ABOVE_M)))
    bind_surface(sheet.GetPrim(), _author_textured(stage))


def set_table(stage: Usd.Stage, table: Table, texture_file: str) -> None:
    """Height, colour and texture. texture_file: PNG with the texture; "" for a table without."""
    x, y, z = TABLE_CENTRE_M
    set_translation(stage.GetPrimAtPath(paths.TABLE), (x, y, z + table.height_m))
    set_surface_rgb(stage, stage.GetPrimAtPath(paths.TABLE).GetName(), table.rgb)
    sheet = stage.GetPrimAtPath(paths.TABLE_TOP)
    if sheet:
        set_translation(sheet, (x, y, TABLE_SURFACE_Z_M + table.height_m + _TOP_ABOVE_M))
        show_texture(stage, texture_file)


def show_texture(stage: Usd.Stage, texture_file: str) -> None:
    """On a table that has a top; "" for none."""
    sheet = stage.GetPrimAtPath(paths.TABLE_TOP)
    shown = UsdGeom.Tokens.inherited if texture_file else UsdGeom.Tokens.invisible
    UsdGeom.Imageable(sheet).GetVisibilityAttr().Set(shown)
    texture = UsdShade.Shader(stage.GetPrimAtPath(f"{paths.MATERIALS}/TableTop/texture"))
    texture.GetInput("file").Set(Sdf.AssetPath(texture_file))


def _author_textured(stage: Usd.Stage) -> UsdShade.Material:
    """The picture's numbers are taken as linear light, like those of the table's plain colour."""
    material = author_surface(stage, "TableTop", TABLE_RGB)
    reader = UsdShade.Shader.Define(stage, material.GetPath().AppendChild("coordinates"))
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    coordinates = reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    texture = UsdShade.Shader.Define(stage, material.GetPath().AppendChild("texture"))
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(""))
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("raw")
    texture.CreateInput("wrapS", Sdf.ValueTypeNames.Token).Set("clamp")
    texture.CreateInput("wrapT", Sdf.ValueTypeNames.Token).Set("clamp")
    texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(coordinates)
    colour = texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
    surface = UsdShade.Shader(stage.GetPrimAtPath(material.GetPath().AppendChild("surface")))
    surface.GetInput("diffuseColor").ConnectToSource(colour)
    return material
