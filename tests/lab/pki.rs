//! The keys and certificates of a lab: made once, thrown away with it.

use crate::files;
use crate::plan::{NODES_MAX, Plan};
use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use serde_json::json;
use std::path::Path;

/// Who may do everything: the people, and the lab's own helpers under names of their own,
/// so that the audit log tells them apart.
const MASTERS: [&str; 3] = ["admin", "lab-dns", "lab-provisioner"];
const CONTROL_PLANE: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "kube-proxy"];

/// Makes every key, certificate and kubeconfig of a lab in `directory`, unless they are there.
pub(crate) fn make(directory: &Path, plan: Plan) -> Result<()> {
    if directory.exists() {
        return Ok(());
    }
    let unfinished = directory.with_added_extension("new");
    files::remove(&unfinished)?;
    files::make(&unfinished)?;
    let authority = Authority::new(unfinished.clone(), plan)?;
    authority.all()?;
    std::fs::rename(&unfinished, directory).with_context(|| format!("cannot make {}", directory.display()))
}

struct Authority {
    directory: std::path::PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    plan: Plan,
}

/// For whom a certificate is made.
struct Subject<'a> {
    file: &'a str,
    name: &'a str,
    group: Option<&'a str>,
    addresses: Vec<String>,
}

impl Authority {
    fn new(directory: std::path::PathBuf, plan: Plan) -> Result<Self> {
        let mut parameters = parameters("operlet lab", None, Vec::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = parameters.self_signed(&key)?.pem();
        files::write(&directory.join("ca.crt"), &certificate)?;
        files::write_secret(&directory.join("ca.key"), key.serialize_pem())?;
        Ok(Self { directory, issuer: Issuer::new(parameters, key), certificate, plan })
    }

    fn all(&self) -> Result<()> {
        let service_accounts = KeyPair::generate()?;
        files::write_secret(&self.directory.join("service-accounts.key"), service_accounts.serialize_pem())?;
        files::write(&self.directory.join("service-accounts.pub"), service_accounts.public_key_pem())?;
        self.servers()?;
        for name in MASTERS {
            self.client(&Subject { file: name, name, group: Some("system:masters"), addresses: Vec::new() })?;
        }
        for file in CONTROL_PLANE {
            let name = format!("system:{file}");
            self.client(&Subject { file, name: &name, group: None, addresses: Vec::new() })?;
        }
        for node in 1..=NODES_MAX {
            let (file, name) = (format!("node{node}"), format!("system:node:node{node}"));
            let addresses = vec![file.clone(), self.plan.node(node).to_string()];
            self.client(&Subject { file: &file, name: &name, group: Some("system:nodes"), addresses })?;
        }
        Ok(())
    }

    fn servers(&self) -> Result<()> {
        let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut addresses = names.map(str::to_owned).to_vec();
        addresses.push("kubernetes.default.svc.cluster.local".to_owned());
        addresses.push(self.plan.address().to_string());
        addresses.push(self.plan.first_service().to_string());
        self.pair(&Subject { file: "apiserver", name: "kube-apiserver", group: None, addresses })?;
        let kubelets = "kube-apiserver-kubelet-client";
        let group = Some("system:masters");
        self.pair(&Subject { file: "kubelet-client", name: kubelets, group, addresses: Vec::new() })?;
        let front = "front-proxy-client";
        self.pair(&Subject { file: front, name: front, group: None, addresses: Vec::new() })?;
        Ok(())
    }

    /// A key, a certificate and the kubeconfig that contains both.
    fn client(&self, subject: &Subject<'_>) -> Result<()> {
        let (certificate, key) = self.pair(subject)?;
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {
                "server": self.plan.server(),
                "certificate-authority-data": STANDARD.encode(&self.certificate),
            }}],
            "users": [{"name": subject.file, "user": {
                "client-certificate-data": STANDARD.encode(certificate),
                "client-key-data": STANDARD.encode(key),
            }}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": subject.file}}],
            "current-context": "lab",
        });
        let path = self.directory.join(format!("{}.kubeconfig", subject.file));
        files::write_secret(&path, serde_json::to_string_pretty(&config)?)
    }

    fn pair(&self, subject: &Subject<'_>) -> Result<(String, String)> {
        let mut parameters = parameters(subject.name, subject.group, subject.addresses.clone())?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.issuer)?.pem();
        files::write(&self.directory.join(format!("{}.crt", subject.file)), &certificate)?;
        files::write_secret(&self.directory.join(format!("{}.key", subject.file)), key.serialize_pem())?;
        Ok((certificate, key.serialize_pem()))
    }
}

fn parameters(name: &str, group: Option<&str>, addresses: Vec<String>) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::new(addresses)?;
    let mut subject = DistinguishedName::new();
    if let Some(group) = group {
        subject.push(DnType::OrganizationName, group);
    }
    subject.push(DnType::CommonName, name);
    parameters.distinguished_name = subject;
    // Far on both sides: a machine's clock may be wrong, and no lab lives so long.
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2060, 1, 1);
    Ok(parameters)
}
