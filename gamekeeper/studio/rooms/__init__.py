"""The rooms of the Studio: one file each, with its routes."""
