"""Training of streamgenre's models: corpus in, model folder out.

Not installed with the package; run it from a checkout with the ``train`` extra installed::

    python -m train trunk
    python -m train fit --recipe lstm --corpus DIR --out models/lstm
    python -m train evaluate models/lstm --corpus DIR
    python -m train stream-eval FOLDS --corpus DIR --card models/lstm
    python -m train report models
    python -m train inspect DIR
    python -m train split DIR --out split.json
    python -m train ensemble MODEL MODEL --out DIR
    python -m train reproduce --corpus DIR

Modules: ``job`` (what is trained), ``manifest_writer`` and ``model_folder`` (what is written),
``progress``, ``cache`` and ``hashes``.

Packages, from the bottom up: ``augmentation`` (changed copies of music), ``corpora`` (files, folds,
frames), ``recipes`` (networks trained from scratch), ``export`` (Keras to ONNX), ``evaluation``
(figures on held-out clips), ``cards`` (model cards and pictures), ``trunk`` (heads on the
pretrained network: recipes ``lstm`` and ``cnn``), ``fitting`` (training the networks of
``recipes``), ``ensemble`` (averaged models), ``streaming`` (hours of programme through the daemon's
engine), ``ancestors`` (published models trained again) and ``cli`` (one module per command).
"""
