# Two commands do everything on a fresh machine with Go and make: `make demo` and `make test`.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
BIN     ?= bin/lastout

# Where the program begins: before Go's runtime changes the signals that it was started with (cmd/lastout/bare).
ENTRY    = $(if $(filter amd64 arm64,$(shell $(GO) env GOARCH)),-E lastout_entry)
LDFLAGS  = -s -w $(ENTRY) -X main.version=$(VERSION)
PKGS     = ./...
FUZZTIME ?= 30s
MUTANTS ?=

export CGO_ENABLED ?= 0

.PHONY: all build demo test race unit fuzz sim soak mutate lint fmt bench cover clean

all: build

build: ## the static binary, BIN
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/lastout

demo: build ## a gateway and three workers under load, taken down in order; shows that nothing was lost
	$(BIN) demo

# The race detector needs cgo and a C compiler; where there is none, the same tests run without it.
RACE := $(shell command -v $${CC:-gcc} >/dev/null 2>&1 && echo -race)

# What judges durations from outside runs by itself, after all the others.
OUTSIDE = ./cmd/acceptance
SERVERS = ^Test(Nginx|Held|Router|Whole|HAProxy|GatewayCrashes|WorkerHangs|Unprivileged|Rehearsal|Rolling|UpgradeTraffic|Container)
INSIDE  = $(filter-out %/cmd/acceptance $(INIT) $(PURE),$(shell $(GO) list $(PKGS)))

# Where there is no goroutine there is nothing to race: in the pure core, which TestHouse holds, and whose simulation is
# four times as fast so; and in init, whose tests start it thousands of times.
PURE = lastout/ordering lastout/supervisor
INIT = lastout/cmd/lastout/onecmd

test: ## everything: all five levels, shuffled, with the race detector where there is a C compiler
	CGO_ENABLED=$(if $(RACE),1,0) $(GO) test $(RACE) -shuffle=on -count=1 -timeout 15m $(INSIDE)
	$(GO) test -shuffle=on -count=1 -timeout 10m $(PURE)
	CGO_ENABLED=0 $(GO) test -ldflags '$(ENTRY)' -shuffle=on -count=1 -timeout 10m $(INIT)
	$(GO) test -shuffle=on -count=1 -timeout 15m -parallel 6 $(OUTSIDE)

race: ## the same, and refuse to go without the race detector
	$(MAKE) test RACE=-race

unit: ## quick: without the race detector and the long runs
	$(GO) test -short -shuffle=on $(PKGS)

fuzz: ## each fuzz target for FUZZTIME
	@set -e; for p in $$($(GO) list $(PKGS)); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p; done; done

sim: ## the simulation of the core with new seeds, until stopped
	$(GO) test ./supervisor -run '^TestSimForever$$' -sim.forever -timeout 0 -v

soak: ## each test with real servers, and in containers, 20 times, and a rehearsal of 200 cycles
	LASTOUT_SOAK=1 $(GO) test -count=1 -timeout 60m -parallel 6 -v -run '$(SERVERS)' $(OUTSIDE)

mutate: ## break the core on purpose; every mutant must be caught
	$(GO) run ./testdata/mutants $(MUTANTS)

lint: ## format, vet, staticcheck, module tidiness
	@out=$$($(GO) tool gofumpt -l cmd ordering process supervisor testdata); \
	  if [ -n "$$out" ]; then echo "not formatted (make fmt):"; echo "$$out"; exit 1; fi
	$(GO) vet $(PKGS)
	$(GO) tool staticcheck $(PKGS)
	$(GO) mod tidy -diff

fmt:
	$(GO) tool gofumpt -w cmd ordering process supervisor testdata

bench: build ## start, stop, memory, restart and output of the built binary; then the packages' own benchmarks
	LASTOUT_BIN=$(abspath $(BIN)) $(GO) test ./cmd/acceptance -run '^$$' -bench . -benchtime 5x -timeout 30m
	$(GO) test ./process/output ./process ./ordering ./supervisor ./supervisor/engine -run '^$$' -bench . -timeout 30m

cover: ## coverage of the packages by all tests
	$(GO) test -coverpkg=$(PKGS) -coverprofile=cover.out $(PKGS)
	$(GO) tool cover -func=cover.out | tail -1

clean:
	rm -rf bin cover.out
