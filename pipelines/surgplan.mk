# surgplan.mk: GNU Make rules for a whole lab. Include it in a makefile, set what differs, then: make -j2 cases
#
#   SCANS = inbox            # one scan for each name: a folder of DICOM files, or NAME.nii.gz, NAME.nrrd, …
#   CASES = cases            # where the cases go
#   RECIPE = ct-bone         # for all of them; RECIPE_knee-17 = ct-pelvis for one
#   include $(shell surgplan info --make)
#
# Each stage is a program from files to files. What has not changed is not made again: a stage that gives the same bytes
# leaves its output untouched, and nothing that depends on it runs. A file that failed its check (exit 4) is removed.
# The folder .make of a case holds a stamp for each stage, with the paths that it wrote, and what they were made from.
# Names of scans with white space or any of $ # : % * ? are for `surgplan batch`: Make cannot hold them.

SURGPLAN ?= surgplan
FLAGS ?=
SCANS ?= scans
CASES ?= cases
RECIPE ?= ct-bone
INGEST ?=
SURFACE ?=
PRINT ?=
NAVIGATE ?=

surgplan_names := $(sort $(foreach scan,$(wildcard $(SCANS)/*),$(firstword $(subst ., ,$(notdir $(scan))))))
surgplan_scan = $(firstword $(wildcard $(SCANS)/$1 $(SCANS)/$1.*))
surgplan_recipe = $(or $(RECIPE_$1),$(RECIPE))
surgplan_depfile = $(FLAGS) --overwrite --depfile $@.d --depfile-target $@

.PHONY: cases models navigation surgplan_always
.DELETE_ON_ERROR:
.SECONDARY:

cases: models navigation ## models and navigation data of every scan
models: $(foreach name,$(surgplan_names),$(CASES)/$(name)/$(name).3mf)
navigation: $(foreach name,$(surgplan_names),$(CASES)/$(name)/navigation/plan.json)

# The stamp is what runs a stage. The file that it stands for has an empty recipe: Make looks whether it has changed.
$(CASES)/%/.make/volume:
	@mkdir -p $(@D)
	$(SURGPLAN) ingest $(call surgplan_scan,$*) -o $(CASES)/$*/volume.nrrd $(INGEST) $(surgplan_depfile) > $@

$(CASES)/%/volume.nrrd: $(CASES)/%/.make/volume ; @:

# the name of the recipe, written anew only when another one was named
$(CASES)/%/.make/recipe: surgplan_always
	@mkdir -p $(@D)
	@echo '$(call surgplan_recipe,$*)' | cmp -s - $@ || echo '$(call surgplan_recipe,$*)' > $@

$(CASES)/%/.make/labels: $(CASES)/%/volume.nrrd $(CASES)/%/.make/recipe
	$(SURGPLAN) segment $< -r $(call surgplan_recipe,$*) -o $(CASES)/$*/labels.seg.nrrd $(surgplan_depfile) > $@

$(CASES)/%/labels.seg.nrrd: $(CASES)/%/.make/labels ; @:

$(CASES)/%/.make/surfaces: $(CASES)/%/labels.seg.nrrd $(CASES)/%/volume.nrrd
	$(SURGPLAN) surface $< --volume $(CASES)/$*/volume.nrrd -o $(CASES)/$*/surfaces $(SURFACE) $(surgplan_depfile) > $@

$(CASES)/%/.make/print: $(CASES)/%/.make/surfaces
	$(SURGPLAN) print $$(grep "\.ply$$" $<) --case $(*F) -o $(CASES)/$*/$(*F).3mf --stl $(CASES)/$*/print $(PRINT) $(surgplan_depfile) > $@

$(foreach name,$(surgplan_names),$(eval $(CASES)/$(name)/$(name).3mf: $(CASES)/$(name)/.make/print ; @:))

$(CASES)/%/.make/navigation: $(CASES)/%/volume.nrrd
	$(SURGPLAN) navigate $< -o $(CASES)/$*/navigation $(NAVIGATE) $(surgplan_depfile) > $@

$(CASES)/%/navigation/plan.json: $(CASES)/%/.make/navigation ; @:

-include $(wildcard $(CASES)/*/.make/*.d)
