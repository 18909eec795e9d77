"""Penstock: files in, a pipeline of independent pods, results out."""
