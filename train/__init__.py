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

One module a subject: ``corpus`` (files, genres, folds), ``frames`` (decoding and the cache),
``augment`` and ``batches`` (what the network sees), ``recipes`` (the networks), ``fitting`` (the
loop), ``export`` (ONNX, checked against Keras), ``measure`` (statistics), ``evaluation`` (running
a model folder over clips), ``data`` and ``heldout`` (what it is run over, and what it says to music
that it has not heard), ``talk`` and ``speech`` (speech against everything else), ``card``,
``cardtext`` and ``cardfigures`` (manifest and model card), ``comparison`` (models beside each
other), ``workflow`` (all of it in order).
``trunk`` holds what stands on a pretrained network (recipes ``lstm`` and ``cnn``), ``streaming``
plays hours of programme through the daemon's engine, ``corpora`` looks at corpora and splits them,
``ensemble`` averages models, ``ancestors`` trains published ones again.
"""
