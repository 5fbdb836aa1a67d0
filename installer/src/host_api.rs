//! `landfall node serve`: the host's API for the console, over this host's operations. Its answers are the documents that the
//! commands print.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use landfall_agent::settings::AgentSettings;
use landfall_error_codes::{ExitClass, codes};
use landfall_host::paths::SitePaths;
use landfall_host_api::{Question, Site, serve};
use landfall_lifecycle::console::HOST_PORT;
use landfall_lifecycle::operations::Operations;
use landfall_link::{ComponentLogs, LogLine, NumberedEvent, Problem, ProgressPage, server};
use landfall_media::progress::Silent;

use crate::commands::{BackupList, ReleaseList};
use crate::document::line;
use crate::failure::Failure;
use crate::logging;

/// Between two looks at the console's certificate.
const RENEWAL: Duration = Duration::from_hours(1);

/// Answers the console until the process is stopped.
pub(crate) fn run(paths: &SitePaths) -> Result<(), Failure> {
    logging::keep(&paths.logs(), "host-api");
    let host = Host(Operations::new(Arc::new(Silent)));
    let (own, console) = host.0.console_keys()?.host_side().map_err(|error| unusable(&error))?;
    let tls = server(&own, console).map_err(|error| unusable(&error))?;
    let address = SocketAddr::new(AgentSettings::read(paths)?.node.address, HOST_PORT);
    let listener = TcpListener::bind(address)
        .map_err(|error| Failure::new(codes::HOST_API, format!("cannot listen at {address}")).because(&error))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| unusable(&error))?;
    let renewing = host.0.clone();
    std::thread::spawn(move || renew(&renewing));
    let served = runtime.block_on(serve(Arc::new(host), listener, tls, std::future::pending()));
    served.map_err(|error| unusable(&error))
}

/// Keeps the certificate that browsers see. A cluster that does not answer is asked again an hour later.
fn renew(operations: &Operations) {
    loop {
        std::thread::sleep(RENEWAL);
        if let Err(error) = operations.renew_console_certificate() {
            tracing::warn!(%error, "the console's certificate was not looked at");
        }
    }
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::new(codes::HOST_API, "the host's API for the console cannot serve").because(error)
}

/// This host.
struct Host(Operations);

impl Host {
    fn documents(&self, question: Question) -> Result<Option<String>, Failure> {
        let operations = &self.0;
        Ok(Some(match question {
            Question::Status => line(&operations.status()?),
            Question::Releases => line(&ReleaseList::of(operations)?),
            Question::Backups => line(&BackupList::of(operations)?),
            Question::License => {
                let report = operations.license_report()?;
                return Ok(report.license.is_some().then(|| line(&report)));
            }
        }))
    }
}

impl Site for Host {
    fn document(&self, question: Question) -> Result<Option<String>, Problem> {
        self.documents(question).map_err(|failure| problem(&failure))
    }

    fn logs(&self, component: &str, lines: usize) -> Result<ComponentLogs, Problem> {
        let wanted = u32::try_from(lines).unwrap_or(u32::MAX);
        let logs = self.0.recent_logs(component, wanted).map_err(|error| problem(&error.into()))?;
        let lines = logs.into_iter().flat_map(|(source, text)| {
            let line = move |text: &str| LogLine {
                pod: source.pod.clone(),
                container: source.container.clone(),
                text: text.to_owned(),
            };
            text.lines().map(line).collect::<Vec<_>>()
        });
        Ok(ComponentLogs { component: component.to_owned(), lines: lines.collect() })
    }

    fn progress(&self, after: u64) -> ProgressPage {
        let reported = self.0.reported(after);
        let events = reported.events.into_iter().map(|(number, event)| NumberedEvent { number, event });
        ProgressPage { running: reported.running, operation: reported.operation, events: events.collect() }
    }

    fn claim(&self, token: &str) -> Result<bool, Problem> {
        self.0.claim_console_token(token).map_err(|error| problem(&error.into()))
    }

    fn begin_backup(&self) -> Result<bool, Problem> {
        self.0.begin_backup().map_err(|error| problem(&error.into()))
    }
}

/// A failure as the API reports it.
fn problem(failure: &Failure) -> Problem {
    let code = failure.code();
    let status = match code.class {
        ExitClass::Usage => 400,
        ExitClass::Bug => 500,
        _ => 503,
    };
    Problem {
        status,
        title: failure.what().to_owned(),
        detail: (!failure.causes().is_empty()).then(|| failure.causes().join(": ")),
        code: Some(code.id.to_owned()),
        hint: Some(failure.next_step().to_owned()),
    }
}
