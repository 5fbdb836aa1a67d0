//! Converts a vendor's declaration to a proof of the release document.

use std::num::NonZeroU16;

use landfall_release_document::{
    CommandExpectation, CommandProof, Proof, ProofFault, ProofField, ProofTrial, RequestProof, ResponseExpectation,
    TextExpectation,
};
use serde_saphyr::{Location, Spanned};

use super::{LIMIT_SECONDS, LocatedProof};
use crate::definition::{CommandDefinition, ONE_WAY, RequestDefinition, ResponseExpectationDefinition, TextDefinition};
use crate::error::{BuildError, Result};
use crate::workloads;

impl LocatedProof<'_> {
    /// The proof, checked with the rules of a site.
    pub(super) fn proof(&self) -> Result<Proof> {
        let definition = self.definition;
        let trial = match (&definition.command, &definition.request) {
            (Some(command), None) => ProofTrial::Command(self.command(command)?),
            (None, Some(request)) => ProofTrial::Request(self.request(request)?),
            _ => {
                let what =
                    format!("the proof `{}` must have exactly one of `command` and `request`", definition.name.value);
                return Err(self.invalid(&definition.name, "command", what));
            }
        };
        let proof = Proof {
            name: definition.name.value.clone(),
            component: definition.component.value.clone(),
            shows: definition.shows.value.clone(),
            limit_seconds: definition.limit_seconds.as_ref().map_or(LIMIT_SECONDS, |limit| limit.value),
            trial,
        };
        proof.check().map_err(|fault| self.fault(&fault))?;
        Ok(proof)
    }

    fn command(&self, command: &CommandDefinition) -> Result<CommandProof> {
        let expect = match &command.expect {
            None => CommandExpectation { exit_code: 0, stdout: None },
            Some(expect) => {
                let expectation = expect.value.expectation();
                expectation.ok_or_else(|| self.invalid(expect, "command.expect.stdout", ONE_WAY))?
            }
        };
        let written = &command.workload;
        let workload = workloads::parse(&written.value);
        Ok(CommandProof {
            workload: workload.map_err(|unknown| unknown.at(|what| self.invalid(written, "command.workload", what)))?,
            container: command.container.as_ref().map(|name| name.value.clone()),
            arguments: command.arguments.value.clone(),
            expect,
        })
    }

    fn request(&self, request: &RequestDefinition) -> Result<RequestProof> {
        let port = NonZeroU16::new(request.port.value)
            .ok_or_else(|| self.invalid(&request.port, "request.port", "0 is not a port"))?;
        let expect = match &request.expect {
            None => ResponseExpectation { status: ResponseExpectationDefinition::STATUS, body: None },
            Some(expect) => ResponseExpectation {
                status: expect.value.status,
                body: self.text(expect, expect.value.body.as_ref(), "request.expect.body")?,
            },
        };
        Ok(RequestProof {
            service: request.service.value.clone(),
            port,
            method: request.method,
            path: request.path.value.clone(),
            headers: request.headers.as_ref().map(|headers| headers.value.clone()).unwrap_or_default(),
            body: request.body.as_ref().map(|body| body.value.clone()).unwrap_or_default(),
            expect,
        })
    }

    fn text<T>(&self, at: &Spanned<T>, text: Option<&TextDefinition>, field: &str) -> Result<Option<TextExpectation>> {
        let Some(text) = text else { return Ok(None) };
        text.expectation().map(Some).ok_or_else(|| self.invalid(at, field, ONE_WAY))
    }

    /// Error for a proof that the format refuses, at the line of its field.
    fn fault(&self, fault: &ProofFault) -> BuildError {
        let definition = self.definition;
        let command = definition.command.as_ref();
        let request = definition.request.as_ref();
        let or_name = |at: Option<Location>| at.unwrap_or(definition.name.referenced);
        let of = |at: Option<&Spanned<String>>| or_name(at.map(|at| at.referenced));
        let (field, at) = match fault.field {
            ProofField::Name => ("name", definition.name.referenced),
            ProofField::Component => ("component", definition.component.referenced),
            ProofField::Shows => ("shows", definition.shows.referenced),
            ProofField::Limit => {
                ("limitSeconds", or_name(definition.limit_seconds.as_ref().map(|limit| limit.referenced)))
            }
            ProofField::Workload => ("command.workload", of(command.map(|command| &command.workload))),
            ProofField::Container => ("command.container", of(command.and_then(|command| command.container.as_ref()))),
            ProofField::Arguments => {
                ("command.arguments", or_name(command.map(|command| command.arguments.referenced)))
            }
            ProofField::Service => ("request.service", of(request.map(|request| &request.service))),
            ProofField::Path => ("request.path", of(request.map(|request| &request.path))),
            ProofField::Headers => {
                let headers = request.and_then(|request| request.headers.as_ref());
                ("request.headers", or_name(headers.map(|headers| headers.referenced)))
            }
            ProofField::Body => ("request.body", of(request.and_then(|request| request.body.as_ref()))),
            ProofField::Expect => {
                let of_command = command.and_then(|command| command.expect.as_ref()).map(|at| at.referenced);
                let of_request = request.and_then(|request| request.expect.as_ref()).map(|at| at.referenced);
                let field = if command.is_some() { "command.expect" } else { "request.expect" };
                (field, or_name(of_command.or(of_request)))
            }
        };
        let what = format!("the proof `{}` has {}", definition.name.value, fault.what);
        BuildError::at(landfall_error_codes::codes::PROOF_INVALID, self.place(at, field), what)
    }
}
