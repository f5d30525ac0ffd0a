"""Recipes of bootc images: text in, values out."""
