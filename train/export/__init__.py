"""From Keras to ONNX, checked before anything is written."""
