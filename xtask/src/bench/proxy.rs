//! The proxies, set up for equal work: one thread, X-Forwarded-For and Via added, no access log.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Setup;
use super::certificate::SUFFIX;
use super::http::Connection;
use super::process::{Process, wait_for};
use super::workload::Workload;

/// Mantlet's name in reports.
pub(super) const MANTLET: &str = "mantlet";
pub(super) const NGINX: &str = "nginx";
const HAPROXY: &str = "haproxy";
/// HAProxy with buffers of 64 KiB, which is reported beside for uploads.
const HAPROXY_LARGE_BUFFERS: &str = "haproxy-64k";
/// This program's own relay, which only reads and writes.
const RELAY: &str = "relay";

/// A proxy that serves.
pub(super) struct Proxy {
    pub(super) name: &'static str,
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    /// What viewers ask for.
    pub(super) host: String,
    process: Process,
}

impl Proxy {
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as its administrator would, so that it can finish what it does.
    pub(super) fn stop(self) -> Result<()> {
        self.process.stop()
    }

    /// Whether the bar is a ratio to it.
    pub(super) fn is_peer(name: &str) -> bool {
        name == NGINX || name == HAPROXY
    }

    /// One proxy that is not Mantlet.
    fn peer(name: &'static str, setup: &Setup) -> Result<Self> {
        let Setup { certificate, origin, .. } = setup;
        let (directory, origin) = (setup.directory.path(), *origin);
        let (http, https) = (free_address()?, free_address()?);
        let pem = |path: &Path| path.display().to_string();
        let (configuration, arguments) = if name == NGINX {
            let (pid, error_log) = (directory.join("nginx.pid"), directory.join("nginx-error.log"));
            let files = [&certificate.chain, &certificate.key, &pid, &error_log].map(|path| pem(path));
            (nginx_configuration(http, https, origin, &files), vec!["-c".to_owned()])
        } else {
            let tuning = if name == HAPROXY { "" } else { "tune.bufsize 65536" };
            let combined = pem(&certificate.combined);
            let configuration = haproxy_configuration(http, https, origin, &combined, tuning);
            (configuration, vec!["-db".to_owned(), "-f".to_owned()])
        };
        let file = directory.join(format!("{name}.conf"));
        std::fs::write(&file, configuration)?;
        let program = if name == NGINX { "nginx" } else { "haproxy" };
        let arguments = [arguments, vec![pem(&file)]].concat();
        let log = directory.join(format!("{name}.log"));
        let process = Process::start(Path::new(program), &arguments, &log)?;
        process.wait_until_it_serves(|| TcpStream::connect(http).ok())?;
        Ok(Self { name, http, https, host: format!("a.{SUFFIX}"), process })
    }

    /// Mantlet as `mantlet run`, with a real distribution; all its checks are on.
    pub(super) fn mantlet(setup: &Setup, access_log: Option<&Path>) -> Result<(Self, Api)> {
        let Setup { directory, binary, certificate, origin } = setup;
        let data_dir = tempfile::tempdir_in(directory)?.keep();
        let quotas = data_dir.join("quotas.json");
        std::fs::write(&quotas, r#"{"distributions": 200000}"#)?;
        let path = |path: &Path| path.display().to_string();
        // All viewers have the same address here, and the API is only for this process.
        let arguments = [
            "run --http 127.0.0.1:0 --https 127.0.0.1:0 --api 127.0.0.1:0 --auth none",
            "--edge-threads 1 --address-connections-max 0 --log warn --domain-suffix",
            SUFFIX,
        ];
        let mut arguments: Vec<String> =
            arguments.iter().flat_map(|text| text.split(' ')).map(str::to_owned).collect();
        for (flag, file) in [
            ("--data-dir", &*data_dir.join("data")),
            ("--access-log", access_log.unwrap_or(Path::new("none"))),
            ("--quotas", &quotas),
            ("--suffix-certificate", &certificate.chain),
            ("--suffix-key", &certificate.key),
        ] {
            arguments.extend([flag.to_owned(), path(file)]);
        }
        let log = data_dir.join("log");
        let process = Process::start(binary, &arguments, &log)?;
        let endpoints = process.wait_until_it_serves(|| {
            let text = std::fs::read_to_string(data_dir.join("data").join("endpoints.json")).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        })?;
        let address = |name: &str| -> Result<SocketAddr> {
            Ok(endpoints.get(name).and_then(Value::as_str).context("an endpoint is missing")?.parse()?)
        };
        let (http, https) = (address("http")?, address("https")?);
        let mut api = Api { address: address("api")?, connection: None, origin: *origin };
        let distribution = api.create_distribution("bench", "http2")?;
        api.wait_until_deployed(&distribution)?;
        Ok((Self { name: MANTLET, http, https, host: distribution.domain_name, process }, api))
    }
}

/// Starts [`relay`](super::relay), which has no name to serve and knows no TLS.
fn relay(setup: &Setup) -> Result<Proxy> {
    let http = free_address()?;
    let arguments =
        ["relay", "--listen", &http.to_string(), "--origin", &setup.origin.to_string()].map(str::to_owned);
    let log = setup.directory.path().join("relay.log");
    let process = Process::start(&std::env::current_exe()?, &arguments, &log)?;
    process.wait_until_it_serves(|| TcpStream::connect(http).ok())?;
    Ok(Proxy { name: RELAY, http, https: http, host: format!("a.{SUFFIX}"), process })
}

/// All proxies, side by side.
pub(super) struct Proxies {
    all: Vec<Proxy>,
}

impl Proxies {
    pub(super) fn start(setup: &Setup) -> Result<Self> {
        let (mantlet, _) = Proxy::mantlet(setup, None)?;
        let mut all = vec![mantlet];
        for name in [NGINX, HAPROXY, HAPROXY_LARGE_BUFFERS] {
            all.push(Proxy::peer(name, setup)?);
        }
        all.push(relay(setup)?);
        Ok(Self { all })
    }

    pub(super) fn named(&self, name: &str) -> Option<&Proxy> {
        self.all.iter().find(|proxy| proxy.name == name)
    }

    /// Those that a workload is measured on.
    pub(super) fn taking_part_in(&self, workload: Workload) -> impl Iterator<Item = &Proxy> {
        self.all.iter().filter(move |proxy| match proxy.name {
            HAPROXY_LARGE_BUFFERS => workload == Workload::Upload,
            RELAY => !workload.is_over_tls(),
            _ => true,
        })
    }

    /// Those that everything is measured on.
    pub(super) fn plain(&self) -> impl Iterator<Item = &Proxy> {
        self.taking_part_in(Workload::SmallGetOverTls)
    }
}

/// An address that nobody has at this moment.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn nginx_configuration(
    http: SocketAddr,
    https: SocketAddr,
    origin: SocketAddr,
    files: &[String; 4],
) -> String {
    let [certificate, key, pid, error_log] = files;
    format!(
        "\
daemon off; master_process off; pid {pid}; error_log {error_log}; worker_rlimit_nofile 65536;
events {{ worker_connections 60000; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 1000000000; keepalive_timeout 3600s;
  upstream origin {{ server {origin}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 3600s; }}
  server {{
    listen {http} reuseport backlog=4096;
    listen {https} reuseport backlog=4096 ssl http2;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_protocols TLSv1.3; ssl_ecdh_curve X25519; ssl_session_cache off; ssl_session_tickets off;
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Via \"1.1 bench\";
      proxy_buffers 16 16k; proxy_request_buffering off;
    }}
  }}
}}
"
    )
}

fn haproxy_configuration(
    http: SocketAddr,
    https: SocketAddr,
    origin: SocketAddr,
    combined: &str,
    tuning: &str,
) -> String {
    format!(
        "\
global
  nbthread 1
  maxconn 9000
  tune.ssl.cachesize 0
  ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
  {tuning}
defaults
  mode http
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  timeout http-keep-alive 3600s
  http-reuse always
  option forwardfor
frontend viewers
  bind {http} backlog 4096
  bind {https} backlog 4096 ssl crt {combined} curves X25519 alpn h2,http/1.1
  http-request set-header Via \"1.1 bench\"
  default_backend origin
backend origin
  server origin {origin}
"
    )
}

/// Mantlet's control plane, which asks nobody for a signature here.
pub(super) struct Api {
    address: SocketAddr,
    connection: Option<Connection>,
    origin: SocketAddr,
}

/// A distribution that was created.
pub(super) struct Distribution {
    id: String,
    pub(super) domain_name: String,
}

impl Api {
    /// Another client of the same.
    pub(super) fn another(&self) -> Self {
        Self { connection: None, ..*self }
    }

    /// One with CachingDisabled and AllViewer.
    pub(super) fn create_distribution(
        &mut self,
        reference: &str,
        http_version: &str,
    ) -> Result<Distribution> {
        let body = distribution_configuration(reference, http_version, self.origin);
        let answer = self.ask("POST", "/2020-05-31/distribution", &body)?;
        let text = |element: &str| -> Result<String> {
            let (_, rest) = answer.split_once(&format!("<{element}>")).context("no such element")?;
            Ok(rest.split('<').next().unwrap_or_default().to_owned())
        };
        Ok(Distribution { id: text("Id")?, domain_name: text("DomainName")? })
    }

    pub(super) fn wait_until_deployed(&mut self, distribution: &Distribution) -> Result<()> {
        let target = format!("/2020-05-31/distribution/{}", distribution.id);
        wait_for("a distribution to be deployed", || {
            let answer = self.ask("GET", &target, "").ok()?;
            answer.contains("<Status>Deployed</Status>").then_some(())
        })
    }

    fn ask(&mut self, method: &str, target: &str, body: &str) -> Result<String> {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.address)?),
        };
        connection.ask(request.as_bytes()).with_context(|| format!("{method} {target}"))
    }
}

fn distribution_configuration(reference: &str, http_version: &str, origin: SocketAddr) -> String {
    format!(
        "\
<DistributionConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
<CallerReference>{reference}</CallerReference><Comment/><Enabled>true</Enabled><HttpVersion>{http_version}</HttpVersion>\
<Origins><Quantity>1</Quantity><Items><Origin><Id>api</Id><DomainName>{ip}</DomainName>\
<CustomOriginConfig><HTTPPort>{port}</HTTPPort><HTTPSPort>443</HTTPSPort>\
<OriginProtocolPolicy>http-only</OriginProtocolPolicy></CustomOriginConfig></Origin></Items></Origins>\
<DefaultCacheBehavior><TargetOriginId>api</TargetOriginId>\
<ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy>\
<AllowedMethods><Quantity>7</Quantity><Items><Method>GET</Method><Method>HEAD</Method><Method>OPTIONS</Method>\
<Method>PUT</Method><Method>PATCH</Method><Method>POST</Method><Method>DELETE</Method></Items></AllowedMethods>\
<CachePolicyId>4135ea2d-6df8-44a3-9df3-4b5a84be39ad</CachePolicyId>\
<OriginRequestPolicyId>216adef6-5c7f-47e4-b989-5492eafa07d3</OriginRequestPolicyId>\
</DefaultCacheBehavior></DistributionConfig>",
        ip = origin.ip(),
        port = origin.port(),
    )
}
