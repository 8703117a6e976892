# dulse: `make demo` to see it, `make test` to trust it, `make install` to have it. See README.md.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
RELEASE := target/$(HOST)/release
# Everything that runs a container does so as this user when make is called by root.
TEST_USER ?= dulse
AS_USER := contrib/as-test-user

BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
UNITDIR = $(PREFIX)/lib/systemd/user

all: build

build:
	$(CARGO) build --release --bins

# --- see it ---------------------------------------------------------------------------------------------------------------

demo: setup build
	@contrib/demo $(RELEASE)/dulse

# --- have it --------------------------------------------------------------------------------------------------------------

# Man pages and completions come from the same definitions as the flags.
docs: build
	rm -rf target/docs && mkdir -p target/docs/man target/docs/completions
	$(RELEASE)/dulse man --output target/docs/man
	for shell in bash zsh fish; do $(RELEASE)/dulse completion $$shell >target/docs/completions/$$shell; done

install: docs
	install -D -m 755 $(RELEASE)/dulse $(DESTDIR)$(BINDIR)/dulse
	install -d $(DESTDIR)$(MANDIR)/man1
	install -m 644 target/docs/man/*.1 $(DESTDIR)$(MANDIR)/man1/
	install -m 644 man/*.1 $(DESTDIR)$(MANDIR)/man1/
	install -D -m 644 target/docs/completions/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/dulse
	install -D -m 644 target/docs/completions/zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_dulse
	install -D -m 644 target/docs/completions/fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/dulse.fish
	install -d $(DESTDIR)$(UNITDIR)
	for unit in contrib/systemd/*; do \
	  sed 's|@BINDIR@|$(BINDIR)|g' $$unit >$(DESTDIR)$(UNITDIR)/$${unit##*/} && chmod 644 $(DESTDIR)$(UNITDIR)/$${unit##*/}; \
	done

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/dulse $(DESTDIR)$(MANDIR)/man1/dulse.1 $(DESTDIR)$(MANDIR)/man1/dulse-*.1
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/dulse $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_dulse
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/dulse.fish
	for unit in contrib/systemd/*; do rm -f $(DESTDIR)$(UNITDIR)/$${unit##*/}; done

# --- measure it -----------------------------------------------------------------------------------------------------------

# BENCH names cases and options, for example `make bench BENCH="start --rounds 50"`.
BENCH ?=
bench: build target/bench/speed target/bench/floor
	$(AS_USER) target/bench/speed --dulse $(RELEASE)/dulse --floor target/bench/floor $(BENCH)

target/bench/speed: FORCE
	@mkdir -p target/bench
	cp "$$($(CARGO) bench --no-run --bench speed --message-format=json 2>/dev/null | \
	  sed -n 's/.*"name":"speed".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)" $@

# The kernel's share of a start, and nothing else.
target/bench/floor: tests/bench/floor.c
	@mkdir -p target/bench
	$(CC) -O2 -static -o $@ $<

FORCE:

clean:
	$(CARGO) clean

# --- trust it -------------------------------------------------------------------------------------------------------------

setup:
	@contrib/setup

setup-test:
	@contrib/setup test
	@tests/material

# Tests run as an unprivileged user whoever calls: cargo's runner (.cargo/config.toml) sees to it.
test: setup-test
	$(CARGO) test --no-fail-fast

# One file of tests, or some tests of it: `make test-run`, `make test-run ARGS=hostname`.
ARGS ?=
test-%: setup-test
	$(CARGO) test --test $* -- $(ARGS)

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

.PHONY: all build demo docs install uninstall bench clean setup setup-test test lint FORCE
