# The two commands of the README. What they do stands in scripts/.

.PHONY: help up test

help:
	@echo 'make up                          build, start the demo API and a distribution in front of it'
	@echo 'make up ORIGIN=http://host:3500  the same in front of an API of your own'
	@echo 'make test                        install what the tests need, and run them all'

up:
	@scripts/up $(ORIGIN)

test:
	@scripts/test
