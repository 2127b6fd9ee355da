"""usd-core: joints of every UsdSkel skeleton in the world."""

import numpy as np
from pxr import Usd, UsdGeom, UsdSkel
from wanted import given, say, worst_mm, z_up

path, wanted = given()
stage = Usd.Stage.Open(path)
cache, times, people = UsdSkel.Cache(), UsdGeom.XformCache(), []
metres = UsdGeom.GetStageMetersPerUnit(stage)
for prim in stage.Traverse():
    if prim.IsA(UsdSkel.Root):
        cache.Populate(UsdSkel.Root(prim), Usd.PrimDefaultPredicate)
for prim in stage.Traverse():
    if prim.IsA(UsdSkel.Skeleton):
        query = cache.GetSkelQuery(UsdSkel.Skeleton(prim))
        names = [str(joint).rpartition("/")[2] for joint in query.GetJointOrder()]
        rows = []
        for frame in range(wanted["frames"]):
            times.SetTime(frame)
            rows.append([list(m.ExtractTranslation()) for m in query.ComputeJointWorldTransforms(times)])
        people.append(dict(zip(names, np.moveaxis(z_up(metres * np.array(rows)), 1, 0), strict=True)))
error = worst_mm(wanted["people"], lambda number, bone: people[number][bone])
say(version=".".join(map(str, Usd.GetVersion()[1:])), error_mm=error, fps=stage.GetTimeCodesPerSecond())
