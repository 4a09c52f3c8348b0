"""Edges unlike the class: see `augment.measure.traits` for what is measured."""

from augment.screen.rules.trait import trait_rule

RULE = trait_rule("edges", "edges unlike the class")
