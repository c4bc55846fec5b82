"""Tests of the web page; a package, because the live daemon is shared by all of them."""
