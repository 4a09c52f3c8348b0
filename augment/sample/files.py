"""Names of files in a folder of one class's synthetic images that several rooms know."""

SCREENING = "screening.json"  # what `augment.screen.statuses` found
