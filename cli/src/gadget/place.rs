//! Where a gadget runs, and how it is taken away from there.

use anyhow::{Context as _, Result};
use usbfs2_gadget::{FunctionfsOptions, Gadget, GadgetfsOptions, Keeper, Running, Speed, Target};
use usbfs2_loopback::Bus;

use super::Identity;
use super::composite::Composite;
use super::host_view::HostView;
use super::leftovers;
use crate::args::Backend;
use crate::output::note;

/// A started gadget and what it stands on. Dropping it takes away the gadget, then the rest.
pub(super) struct Place {
    /// Until the end.
    view: Option<HostView>,
    running: Running,
    name: String,
    composite: Option<Composite>,
}

impl Place {
    pub(super) fn start(gadget: &Gadget, identity: &Identity, backend: Backend) -> Result<Self> {
        match backend {
            Backend::Gadgetfs => {
                let options = GadgetfsOptions {
                    keeper: Keeper::from_environment()?,
                    ..GadgetfsOptions::default()
                };
                let running = gadget.start_gadgetfs(&options)?;
                Ok(Self {
                    view: None,
                    name: running.port_name().to_owned(),
                    running,
                    composite: None,
                })
            }
            Backend::Functionfs => Self::in_composite(gadget, identity),
            Backend::Loopback => {
                let bus = Bus::new();
                let running = gadget.start_on(&bus, Speed::High)?;
                Ok(Self {
                    view: Some(HostView::new(&bus, running.port_name())),
                    name: format!("port {} of a bus in this process", running.port_name()),
                    running,
                    composite: None,
                })
            }
        }
    }

    fn in_composite(gadget: &Gadget, identity: &Identity) -> Result<Self> {
        let problems = gadget.check(&Target::Functionfs);
        if !problems.is_empty() {
            // Many endpoints and settings have the same problem: each is told once.
            let mut kinds: Vec<String> = problems.iter().map(|one| one.kind.to_string()).collect();
            kinds.sort();
            kinds.dedup();
            return Err(anyhow::anyhow!(
                "{} cannot run on FunctionFS: {}",
                identity.name,
                kinds.join("; ")
            ));
        }
        let keeper = Keeper::from_environment()?;
        let kept = keeper
            .as_ref()
            .map_or(Ok(None), |keeper| Composite::kept(identity, keeper))?;
        let composite = match kept {
            Some(composite) => composite,
            None => {
                // Before what it stands on.
                keeper.iter().for_each(Keeper::forget_the_rest);
                for name in leftovers::remove()? {
                    note!("removed {name}, which a run that was killed had left");
                }
                Composite::register(identity)?
            }
        };
        let options = FunctionfsOptions::new(composite.functionfs_directory()).keeper(keeper);
        let running = gadget.start_functionfs(&options)?;
        let controller = composite
            .bind()
            .with_context(|| format!("cannot put {} on a controller", composite.name()))?;
        Ok(Self {
            view: None,
            running,
            name: format!("{controller}, as {} in configfs", composite.name()),
            composite: Some(composite),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn running(&self) -> &Running {
        &self.running
    }

    /// Lets the host's side see what there is, where it is here too.
    pub(super) fn look(&mut self) -> Result<()> {
        self.view.as_mut().map_or(Ok(()), HostView::look)
    }

    /// Takes everything away, and tells what could not be.
    pub(super) fn remove(self) -> Result<()> {
        let Self {
            view,
            running,
            composite,
            ..
        } = self;
        let viewed = view.map_or(Ok(()), HostView::end);
        // Before the composite, which cannot go while its functions' files are open.
        running.stop();
        composite.map_or(Ok(()), Composite::remove).and(viewed)
    }
}
