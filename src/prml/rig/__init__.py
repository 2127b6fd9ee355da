"""Rigs: a skeleton of bones that turn, as animation programs have, made from joints that only have places."""

from prml.rig.fit import rigs_of, to_rig
from prml.rig.rig import Rest, Rig, RigMotion, forward

__all__ = ["Rest", "Rig", "RigMotion", "forward", "rigs_of", "to_rig"]
