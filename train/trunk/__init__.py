"""Heads on the pretrained trunk: MSD_musicnn, computed from MFCC frames and run incrementally.

- The trunk: ``checkpoint`` (its weights, from PyPI), ``musicnn`` (the network in Keras, checked
  against the published graph), ``pruning`` (without its dead filters), ``paired`` (on pairs of
  frames), ``mel_adapter`` (MFCC frames to its mel bands), ``onnx_graph`` (all as an incremental
  ONNX graph), ``filters_graph`` (its filters there), ``fast_filters`` (as convolutions with fewer
  products).
- Its input for training: ``training_programmes`` and ``embedded_corpus`` (embeddings of clips and
  programmes), ``front_windows`` and ``microphone_training`` (further training on microphones).
- The heads: ``heads``, ``lstm_memory``, ``speech_head``, ``head_training`` (all three),
  ``programme_figures``, ``train_head`` (the whole job).
- The result: ``model_graph`` (the whole model as one graph), checked by ``keras_reference``.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging",
late-breaking demo, ISMIR 2019; package ``musicnn``, ISC licence, Music Technology Group,
Universitat Pompeu Fabra.
"""
