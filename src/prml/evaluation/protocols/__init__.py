"""Evaluation protocols: named, versioned objects that print their rules."""

from prml.evaluation.protocols.base import ActionTable, EvaluationProtocol
from prml.evaluation.protocols.catalogue import get, names

__all__ = ["ActionTable", "EvaluationProtocol", "get", "names"]
