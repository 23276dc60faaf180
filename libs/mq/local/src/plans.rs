use std::collections::BTreeMap;

use sea_mq_event::ContextName;
use sea_mq_stack::{StateDir, free_port, port_like};

use crate::notice::Notices;
use crate::program::{Plan, absent};
use crate::system::Options;
use crate::worker::WorkerSettings;
use crate::{Context, Description, LocalError};

/// What can be known before anything is started.
pub(crate) fn check(description: &Description, state: &StateDir) -> Result<(), LocalError> {
    let absent = absent(description);
    if !absent.is_empty() {
        return Err(LocalError::ProgramsAbsent(absent));
    }
    // A node that belonged to a cluster does not find its streams alone, nor a cluster those of one.
    let (path, wanted) = (state.path(), description.nats_nodes);
    let kept = (1..=3).filter(|number| path.join(format!("nats-{number}")).is_dir()).count();
    if kept != 0 && kept != wanted {
        return Err(LocalError::OtherNodes { path: path.to_owned(), kept, wanted });
    }
    Ok(())
}

/// Where each program listens; a port that is wished for and taken is told of.
pub(crate) fn ports(
    description: &Description,
    options: Options,
    notices: &Notices,
) -> Result<BTreeMap<String, u16>, LocalError> {
    let mut ports = BTreeMap::new();
    for (_, name, program) in description.programs() {
        let port = match program.port.filter(|_| options.wished_ports) {
            Some(wish) => {
                let port = port_like(wish)?;
                if port != wish {
                    notices.step(format!("port {wish} is taken: {name} listens on {port} instead"));
                }
                port
            }
            None => free_port()?,
        };
        ports.insert(name.to_owned(), port);
    }
    Ok(ports)
}

/// How each program is started.
pub(crate) fn programs<'a>(
    description: &'a Description,
    contexts: &'a [Context],
    ports: &'a BTreeMap<String, u16>,
    options: Options,
) -> impl Iterator<Item = Plan> + 'a {
    description.programs().filter_map(move |(of, name, program)| {
        let context = contexts.iter().find(|context| context.name == *of)?;
        Some(Plan::program(description, context, name, program, ports, options.reload))
    })
}

/// How each worker is started, with its context.
pub(crate) fn workers(
    description: &Description,
    settings: &[WorkerSettings],
) -> Result<Vec<(ContextName, Plan)>, LocalError> {
    let mut workers = Vec::new();
    for (settings, described) in settings.iter().zip(description.contexts.values()) {
        for number in 1..=described.workers {
            let (name, port) = (format!("{}-worker-{number}", settings.context), free_port()?);
            let launch = settings.launch(description, &name, port);
            workers.push((settings.context.clone(), Plan { launch, name, port }));
        }
    }
    Ok(workers)
}
