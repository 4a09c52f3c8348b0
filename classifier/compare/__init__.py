"""From the predictions of several arms to a verdict; arrays and tables only."""
