"""The ancestors: published genre models on GTZAN by students and hobbyists, trained again.

``ancestor`` defines an ancestor, ``registry`` lists them all. ``input_features`` computes their
input, ``ancestor_networks`` and ``nearest_neighbours`` are the classifiers. ``clip_windows`` cuts
clips and splits them, ``train_ancestor`` trains and measures, ``ancestor_graph`` and
``ancestor_folder`` export, ``ancestor_answers`` computes figures, ``ancestors_table`` writes the
table, ``reproduction`` runs all of it.
"""
