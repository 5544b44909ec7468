"""DimeNet++ on the edges of the symmetric multigraph, as the published score model uses it."""
