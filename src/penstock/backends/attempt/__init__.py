"""What every backend does with an attempt's own folder: plan it, put it together, find its outputs, remove it.

``declared`` reads a task; ``stage`` makes the tree ``root/`` and finds the inputs; ``collect`` finds the outputs in it;
``reasons`` says why an attempt failed. The local runner imports ``stage``, ``collect``, ``view``, ``failure`` and
``reasons`` for every task, so those import only fast parts of the standard library, and this file nothing.
"""
