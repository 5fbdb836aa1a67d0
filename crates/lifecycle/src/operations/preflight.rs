//! Preflight: reports the findings before an installation on which `install` acts, and changes nothing.

use std::path::PathBuf;

use jiff::Timestamp;
use landfall_bundle_spec::head::{Contents, Opened};
use landfall_error_codes::codes;
use landfall_host::facts::{self, Facts, ProbedGpus};
use landfall_release_document::{RELEASE_DOCUMENT_NAME, ReleaseDocument, SITE_SCHEMA_NAME};
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::bundle::TrustedRelease;
use super::configure::fitted_to;
use super::error::{OperationError, Result};
use super::kept::Adoption;
use super::planned::{first_secrets, sizes};
use super::trust::Trust;
use crate::plan::host_ports::HostPorts;
use crate::plan::objects::ObjectsInputs;
use crate::preflight::{Subject, preflight};
use landfall_site::choice::locate_for_host;
use landfall_site::configuration::SiteConfiguration;
use landfall_site::findings::{Finding, Severity, accept, refuse_unknown, sort};
use landfall_site::license::{LicensedHost, needs};
use landfall_site::site_secrets::BroughtSecrets;

/// A person's request.
#[derive(Debug, Clone, Default)]
pub struct PreflightRequest {
    /// A bundle, one of its parts, the folder of the parts, or a head.
    pub bundle: PathBuf,
    /// A root document's file or a fingerprint. Without it, the bundle is believed, and the report says so.
    pub trust: Option<String>,
    /// The site configuration's file.
    pub site: Option<PathBuf>,
    /// The file of a license.
    pub license: Option<PathBuf>,
    /// The file with the facts of another host.
    pub facts: Option<PathBuf>,
    /// Names of accepted warnings.
    pub accept: Vec<String>,
    /// Supplied secrets.
    pub secrets: BroughtSecrets,
}

/// Report of preflight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreflightReport {
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// ID of the bundle.
    pub bundle: String,
    /// True if the head was verified against a root from a source other than the bundle.
    pub verified: bool,
    /// True if that root is for development only.
    pub development: bool,
    /// Name of the host.
    pub host: String,
    /// Operating system of the host, such as `debian 12`.
    pub operating_system: String,
    /// Time at which its facts were collected, RFC 3339.
    pub collected_at: String,
    /// True if nothing blocks an installation, and every warning that needs acceptance is accepted.
    pub ready: bool,
    /// Number of findings that block it.
    pub blockers: usize,
    /// Number of warnings that must be accepted by name before an installation, and are not.
    pub unaccepted: usize,
    /// Number of warnings.
    pub warnings: usize,
    /// Number of findings that could not be judged, because facts from an older landfall lack the data.
    pub unknown: usize,
    /// Number of findings that passed.
    pub passed: usize,
    /// All findings, the most urgent first.
    pub findings: Vec<Finding>,
}

/// A release with a trusted or untrusted head.
enum ExaminedRelease {
    Trusted(Box<TrustedRelease>),
    Untrusted { opened: Box<Opened>, release: Box<ReleaseDocument> },
}

impl ExaminedRelease {
    fn contents(&self) -> &Contents {
        match self {
            Self::Trusted(trusted) => &trusted.verified,
            Self::Untrusted { opened, .. } => opened.untrusted_contents(),
        }
    }

    fn release(&self) -> &ReleaseDocument {
        match self {
            Self::Trusted(trusted) => &trusted.release,
            Self::Untrusted { release, .. } => release,
        }
    }
}

impl Operations {
    /// Reports all blockers of an installation and all other findings, for this host or the one that the facts
    /// describe. Reads the bundle's head and the host; changes nothing.
    pub fn preflight(&self, request: &PreflightRequest) -> Result<PreflightReport> {
        let looked = self.look(request)?;
        let schema = looked.contents().small_document(SITE_SCHEMA_NAME).unwrap_or_default();
        let configuration = match &request.site {
            Some(path) => SiteConfiguration::read(path, schema)?,
            None => SiteConfiguration::default(),
        };
        refuse_unknown(&configuration.accept, looked.release())?;
        let secrets = first_secrets(looked.release(), &configuration, &request.secrets)?;
        let facts = if let Some(path) = &request.facts {
            Facts::read(path)?
        } else {
            self.check_vacant()?;
            facts::collect_measured(&self.paths, &ProbedGpus::now(&self.paths))?
        };
        let (release, contents) = (looked.release(), looked.contents());
        let fitted = fitted_to(&facts, release, contents, &configuration);
        let objects = ObjectsInputs { release, configuration: &configuration, fitted: &fitted.values };
        let mut findings = preflight(&Subject {
            facts: &facts,
            release,
            configuration: &configuration,
            sizes: sizes(contents, release),
            host_ports: &HostPorts::of(&objects, |name| contents.small_document(name)),
            built_at: &contents.identity().built_at,
        });
        findings.extend(fitted.findings);
        findings.extend(secrets.findings);
        findings.extend(self.of_site(request, &looked, &facts)?);
        accept(&mut findings, &request.accept, &configuration.accept)?;
        sort(&mut findings);
        Ok(PreflightReport::new(&looked, &facts, findings))
    }

    fn look(&self, request: &PreflightRequest) -> Result<ExaminedRelease> {
        if request.trust.is_some() {
            let trust = Trust::read(request.trust.as_deref(), &request.bundle)?;
            return Ok(ExaminedRelease::Trusted(Box::new(TrustedRelease::find(&request.bundle, &trust, self)?)));
        }
        let located = locate_for_host(&request.bundle, &self.io.media)?;
        let opened = Opened::read(located.head()?).map_err(OperationError::refusal_of(located.head_path()))?;
        let contents = opened.untrusted_contents();
        let name = || format!("{} {}", contents.identity().name, contents.identity().version);
        let bytes = contents
            .small_document(RELEASE_DOCUMENT_NAME)
            .ok_or_else(|| OperationError::DocumentMissing { document: RELEASE_DOCUMENT_NAME, release: name() })?;
        let release = ReleaseDocument::read(bytes)
            .map_err(|source| OperationError::Document { release: name(), source: Box::new(source) })?;
        Ok(ExaminedRelease::Untrusted { opened: Box::new(opened), release: Box::new(release) })
    }

    /// Returns the findings about kept data and the license. A license can be judged only under a trusted root.
    fn of_site(&self, request: &PreflightRequest, looked: &ExaminedRelease, facts: &Facts) -> Result<Vec<Finding>> {
        let ExaminedRelease::Trusted(trusted) = looked else {
            let needed: Vec<&str> = needs(looked.release()).iter().map(|need| need.entitlement).collect();
            if needed.is_empty() {
                return Ok(Vec::new());
            }
            let fix = codes::LICENSE_UNJUDGED.fix;
            return Ok(vec![Finding::warning(codes::LICENSE_UNJUDGED, format!("needed: {}", needed.join(", ")), fix)]);
        };
        let license = request.license.as_deref();
        let (mut adoption, place) = if request.facts.is_some() {
            let collected = facts.collected_at.parse().unwrap_or(Timestamp::UNIX_EPOCH);
            (Adoption::default(), LicensedHost::Elsewhere(collected))
        } else {
            let adoption = Adoption::find(&self.paths, trusted, false)?;
            (adoption, LicensedHost::Here { paths: &self.paths, cluster: None })
        };
        let licensing = trusted.licensing(&place, license)?;
        let licensed = adoption.applicable_blockers(licensing.blockers(&trusted.release, trusted.built_at()));
        Ok(adoption.blockers.into_iter().chain(licensed).collect())
    }
}

impl PreflightReport {
    fn new(looked: &ExaminedRelease, facts: &Facts, findings: Vec<Finding>) -> Self {
        let contents = looked.contents();
        let identity = contents.identity();
        let development =
            matches!(looked, ExaminedRelease::Trusted(trusted) if trusted.verified.trusted_root().development());
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let blockers = count(Severity::Blocker);
        let unaccepted = findings.iter().filter(|finding| finding.is_unaccepted()).count();
        Self {
            release: identity.name,
            version: identity.version,
            bundle: contents.id().to_string(),
            verified: matches!(looked, ExaminedRelease::Trusted(_)),
            development,
            host: facts.hostname.clone(),
            operating_system: facts.operating_system.clone(),
            collected_at: facts.collected_at.clone(),
            ready: blockers == 0 && unaccepted == 0,
            blockers,
            unaccepted,
            warnings: count(Severity::Warning),
            unknown: count(Severity::Unknown),
            passed: count(Severity::Passed),
            findings,
        }
    }

    /// Returns the exit code of a process that ends with this report: 0 if an install would begin, 7 if only a license
    /// is missing.
    pub fn exit_code(&self) -> u8 {
        let blockers: Vec<Finding> = self.findings.iter().filter(|finding| finding.stops()).cloned().collect();
        if blockers.is_empty() {
            return 0;
        }
        landfall_error_codes::CodedError::code(&OperationError::NotReady { blockers }).class.exit_code()
    }
}
