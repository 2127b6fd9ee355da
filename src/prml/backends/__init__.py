"""Engines that compute a network's predictions: torch, ONNX Runtime, OpenVINO."""
