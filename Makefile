# SPDX-License-Identifier: GPL-2.0-only
# Everything is built under build/, a tree for each kernel; the sources stay as they are.

KVER ?= $(shell uname -r)
KBUILD ?= /lib/modules/$(KVER)/build
PREFIX ?= /usr/local
DESTDIR ?=
ACQ_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/acq

version := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
build := $(CURDIR)/build
# where the modules for KBUILD are built; `make check` has its own
TREE ?= $(build)/$(KVER)
kbuild = $(MAKE) -C $(KBUILD) M=$(TREE)/kmod $(KARGS)
# under a DESTDIR this is the package's business; so is signing, for the key isn't in the headers
depmod = $(if $(DESTDIR),,depmod $(KVER))
has_headers = test -d $(KBUILD) || { echo "acq: no headers for the kernel $(KVER);" \
	"install the package linux-headers-$(KVER)" >&2; exit 1; }

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24
	@echo 'make test KERNEL="6.1 rt" SUITE=read BH=tasklet narrows; KERNEL is 6.1, 6.12, rt or debug,'
	@echo 'BH thread, workqueue or tasklet. KVER=release names a kernel other than the running one.'

.PHONY: deps
deps: ## install the packages that all of these need
	@tests/deps build run test check bench deb install publish

.PHONY: all
all: deps-build userspace ## build the tools, and the modules if KVER has headers
	@if [ -d $(KBUILD) ]; then $(MAKE) -s modules; \
	else echo "acq: no headers for the kernel $(KVER), so no modules"; fi

.PHONY: deps-build deps-run deps-test deps-check deps-bench deps-deb deps-install deps-publish
deps-build deps-run deps-test deps-check deps-bench deps-deb deps-install deps-publish:
	@tests/deps $(@:deps-%=%)

.PHONY: modules
modules:
	@$(has_headers)
	@mkdir -p $(TREE)
	@cp -rsf $(CURDIR)/kmod $(CURDIR)/include $(TREE)/
	@find $(TREE) -xtype l -delete
	$(kbuild) modules

.PHONY: userspace
userspace:
	$(MAKE) -C userspace O=$(build)/userspace

# the suites for the host and for the guests
.PHONY: suites
suites: userspace
	$(MAKE) -C tests/unit O=$(build)
	$(MAKE) -C tests/guest O=$(build)

.PHONY: run
run: deps-run ## twenty frames of a sine out of a virtual machine
	@tests/qemu/demo run
	@echo
	@echo 'Go on with "make shell", a virtual machine to try things in, or on this machine with'
	@echo '"sudo make install && sudo modprobe acq_sim && acqread -n 20".'

.PHONY: shell
shell: deps-run ## a shell in that machine
	@tests/qemu/demo shell

.PHONY: test
test: deps-test ## all suites on the host and in the guests
	@tests/qemu/run-tests test

.PHONY: test-install
test-install: deps-install ## install the packages in a Debian guest, use them, purge them
	@tests/install/run

.PHONY: test-publish
test-publish: deps-publish ## acqpub with servers, disks and networks that fail; CASE="a b" narrows
	@tests/publish/run $(CASE)

.PHONY: bench-publish
bench-publish: deps-publish ## acqpub beside a bare publisher of the same bytes
	@tests/publish/bench

.PHONY: sim-publish
sim-publish: deps-publish ## a thousand publishers and a cluster of three servers
	@tests/publish/cluster

.PHONY: torture
torture: deps-test ## the same with full counts and on every kernel, for hours
	@tests/qemu/run-tests torture

.PHONY: bench
bench: deps-bench ## what acq costs beside its peers; BASE=build/old.csv compares
	@tests/bench/run $(CASES)

.PHONY: check
check: deps-check ## what can be said without running it
	@tests/check

# what other drivers build against
others = $(DESTDIR)/lib/modules/$(KVER)/updates/acq/build

.PHONY: install
install: all ## install the tools and the modules for KVER
	@$(has_headers)
	$(MAKE) -C userspace O=$(build)/userspace DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) install
	$(kbuild) INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=updates/acq \
		CONFIG_MODULE_SIG_ALL= modules_install
	cd $(TREE) && install -D -m 644 -t $(others)/include/linux include/linux/acq.h
	cd $(TREE) && install -D -m 644 -t $(others)/include/uapi/linux include/uapi/linux/acq.h
	cd $(TREE) && install -D -m 644 -t $(others)/kmod kmod/Module.symvers
	$(depmod)

.PHONY: uninstall
uninstall: ## undo that
	$(MAKE) -C userspace O=$(build)/userspace DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) uninstall
	rm -rf $(DESTDIR)/lib/modules/$(KVER)/updates/acq
	$(depmod)

DKMS_SOURCE ?= /usr/src/acq-$(version)

# what DKMS needs to build for a kernel that comes later, and other drivers' authors to build on us
.PHONY: dkms-source
dkms-source:
	rm -rf $(DKMS_SOURCE)
	mkdir -p $(DKMS_SOURCE)
	cp -r dkms.conf LICENSE kmod include $(DKMS_SOURCE)

.PHONY: dkms-install
dkms-install: ## have DKMS build and install the modules, for later kernels too
	@$(has_headers)
	@command -v dkms >/dev/null || { echo "acq: install the package dkms" >&2; exit 1; }
	@$(MAKE) -s dkms-source
	dkms install acq/$(version) -k $(KVER)

.PHONY: dkms-remove
dkms-remove: ## undo that
	dkms remove acq/$(version) --all
	rm -rf $(DKMS_SOURCE)

# dpkg wants debian/ at the top, and leaves packages beside the tree
.PHONY: deb
deb: deps-deb ## Debian packages, in build/deb
	rm -rf $(build)/deb
	mkdir -p $(build)/deb/acq
	cp -r Makefile LICENSE dkms.conf include kmod userspace $(build)/deb/acq
	mv $(build)/deb/acq/userspace/debian $(build)/deb/acq
	cd $(build)/deb/acq && env -u MAKEFLAGS -u MAKELEVEL DEB_BUILD_OPTIONS=noautodbgsym \
		dpkg-buildpackage --build=binary -us -uc
	cd $(build)/deb && lintian --allow-root --fail-on error,warning acq_*.changes
	@ls $(build)/deb/*.deb

.PHONY: clean
clean: ## remove build/
	rm -rf $(build)

.PHONY: distclean
distclean: clean ## and what was downloaded and built for the guests
	rm -rf $(ACQ_CACHE)
