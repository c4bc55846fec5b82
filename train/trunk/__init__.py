"""The pretrained trunk: MSD_musicnn, reached from MFCC frames and run incrementally.

One module a subject: ``checkpoint`` (the weights, from PyPI), ``network`` (the trunk in Keras and
the check against the original graph), ``adapter`` (MFCC frames to the trunk's mel bands),
``graph`` (trunk and adapter as an incremental ONNX graph), ``sound``, ``room`` and ``codec``
(augmentation of audio), ``programmes`` and ``material`` (what is heard, as embeddings), ``heads``,
``memory`` and ``speech`` (what is trained on them), ``transfer`` and ``command`` (all of it in
order), ``shipped`` (the whole model as one graph).

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging",
late-breaking demo, ISMIR 2019; package ``musicnn``, ISC licence, Music Technology Group,
Universitat Pompeu Fabra.
"""
