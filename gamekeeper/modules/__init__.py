"""The features of a game, one folder each, in a declared order: a later one builds on earlier ones through their front doors."""
