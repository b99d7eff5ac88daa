"""The pages of the site that belong to no service: the front page and the pages of errors."""
