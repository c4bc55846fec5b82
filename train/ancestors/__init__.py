"""The ancestors: published students' and hobbyists' models of genre on GTZAN, trained again.

``base`` says what an ancestor is, ``sounds`` what its input is made of, ``networks`` and
``nearest`` are the classifiers, ``table`` lists them all; ``material`` cuts clips and splits them,
``running`` trains and measures, ``graph`` exports, ``results`` sums up, ``report`` draws the table.
"""
