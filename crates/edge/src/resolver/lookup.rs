//! One look-up of a name: the hosts file, the search list, and the name servers in their order, as
//! hosts(5) and resolv.conf(5) say.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::rand;
use dns::limits::{ALIASES_MAX, UDP_MESSAGE_BYTES_MAX};
use dns::{Answer, Name, NameError, Question, RecordType, Reply, ReplyError, ResolvConf, addresses_in_hosts};
use edge_config::{HostName, IpAddressType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::limits::{DNS_FILE_BYTES_MAX, DNS_LOOKUP_TIME_MAX, DNS_STRAY_MESSAGES_MAX, HOSTS_ADDRESS_AGE_MAX};

/// Who is asked for the names of origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NameServers {
    /// Those of /etc/resolv.conf, which is read for each look-up.
    #[default]
    OfMachine,
    /// These, and nothing of /etc/resolv.conf.
    Given(Vec<SocketAddr>),
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) ips: Vec<IpAddr>,
    pub(super) ttl: Duration,
}

/// Why a look-up found nothing.
#[derive(Debug)]
pub(super) enum LookupFailure {
    /// There is nothing, for this long where somebody said it.
    Nothing { name_exists: bool, ttl: Option<Duration> },
    /// Nobody could say.
    Unanswered(Unanswered),
}

/// Why nobody could say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// Nothing came in time.
    #[error("name server {0} does not answer")]
    Silent(SocketAddr),
    /// It cannot be reached.
    #[error("name server {0} cannot be asked")]
    Unreachable(SocketAddr, #[source] io::Error),
    /// It said that it cannot say.
    #[error("name server {0} fails with response code {1}")]
    Failed(SocketAddr, u8),
    /// What it sends is no answer.
    #[error("name server {0} sends damaged answers")]
    Damaged(SocketAddr),
    /// The name is an alias of an alias of an alias.
    #[error("the name's aliases (CNAME) have no end")]
    AliasesWithoutEnd,
    /// There is nobody to ask.
    #[error("there is no name server to ask")]
    NoServer,
    /// The name cannot be asked for.
    #[error("the name cannot be asked for")]
    Unaskable(#[source] NameError),
}

impl From<Unanswered> for LookupFailure {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unanswered(unanswered)
    }
}

/// The way to names' addresses.
#[derive(Debug)]
pub(super) struct NameService {
    servers: NameServers,
    hosts: PathBuf,
    resolv_conf: PathBuf,
    /// The server that is asked first: the one that answered last, so that one that is down costs its
    /// time-out once.
    first_server: AtomicUsize,
}

impl NameService {
    pub(super) fn new(servers: NameServers) -> Self {
        Self {
            servers,
            hosts: "/etc/hosts".into(),
            resolv_conf: "/etc/resolv.conf".into(),
            first_server: AtomicUsize::new(0),
        }
    }

    /// The addresses of a name, of the families that are asked for.
    pub(super) async fn look_up(
        &self,
        name: &HostName,
        ip_address_type: IpAddressType,
    ) -> Result<Found, LookupFailure> {
        let of_localhost = is_localhost(name);
        let mut ips = addresses_in_hosts(&read(&self.hosts).await, name.as_str());
        ips.retain(|ip| of_localhost || is_of_type(*ip, ip_address_type));
        if ips.is_empty() && of_localhost {
            // Nobody is asked for it (RFC 6761 section 6.3).
            ips = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        if !ips.is_empty() {
            return Ok(Found { ips, ttl: HOSTS_ADDRESS_AGE_MAX });
        }
        let name = Name::parse(name.as_str()).map_err(Unanswered::Unaskable)?;
        self.search(&self.configuration().await, &name, ip_address_type).await
    }

    async fn configuration(&self) -> ResolvConf {
        match &self.servers {
            NameServers::OfMachine => ResolvConf::parse(&read(&self.resolv_conf).await),
            NameServers::Given(servers) => ResolvConf::of_servers(servers),
        }
    }

    /// Asks for the name itself and in each domain of the search list, until there is one with addresses.
    ///
    /// As with glibc, a server that fails in one domain does not keep others from being asked, and then it
    /// is not known that there is nothing.
    async fn search(
        &self,
        configuration: &ResolvConf,
        name: &Name,
        ip_address_type: IpAddressType,
    ) -> Result<Found, LookupFailure> {
        let mut failure = None;
        for candidate in configuration.candidates(name) {
            match self.ask_both(configuration, &candidate, ip_address_type).await {
                Ok(found) => return Ok(found),
                Err(failed @ LookupFailure::Unanswered(Unanswered::Failed(..))) => failure = Some(failed),
                Err(unanswered @ LookupFailure::Unanswered(_)) => return Err(unanswered),
                Err(nothing) => {
                    failure = Some(match failure {
                        None => nothing,
                        Some(before) => neither(before, nothing),
                    });
                }
            }
        }
        Err(failure.unwrap_or(Unanswered::NoServer.into()))
    }

    /// Asks for all addresses of a name at once, of both families where both are wanted.
    async fn ask_both(
        &self,
        configuration: &ResolvConf,
        name: &Name,
        ip_address_type: IpAddressType,
    ) -> Result<Found, LookupFailure> {
        match ip_address_type {
            IpAddressType::Ipv4 => self.ask(configuration, name, RecordType::A).await,
            IpAddressType::Ipv6 => self.ask(configuration, name, RecordType::Aaaa).await,
            IpAddressType::Dualstack => {
                let v6 = self.ask(configuration, name, RecordType::Aaaa);
                let v4 = self.ask(configuration, name, RecordType::A);
                let (v6, v4) = tokio::join!(v6, v4);
                either(v6, v4)
            }
        }
    }

    /// Asks for a name's addresses, and for those of its aliases.
    async fn ask(
        &self,
        configuration: &ResolvConf,
        name: &Name,
        record_type: RecordType,
    ) -> Result<Found, LookupFailure> {
        let mut alias_ttl = u32::MAX;
        let mut name = name.clone();
        for _ in 0..=ALIASES_MAX {
            match self.ask_servers(configuration, &name, record_type).await? {
                Answer::Addresses { addresses, ttl } => {
                    return Ok(Found { ips: addresses, ttl: seconds(ttl.min(alias_ttl)) });
                }
                Answer::Alias { name: target, ttl } => {
                    alias_ttl = alias_ttl.min(ttl);
                    name = target;
                }
                Answer::Nothing(nothing) => {
                    let ttl = nothing.ttl.map(|ttl| seconds(ttl.min(alias_ttl)));
                    return Err(LookupFailure::Nothing { name_exists: nothing.name_exists, ttl });
                }
            }
        }
        Err(Unanswered::AliasesWithoutEnd.into())
    }

    /// Asks one server after the other, as often as the configuration says, until one answers.
    async fn ask_servers(
        &self,
        configuration: &ResolvConf,
        name: &Name,
        record_type: RecordType,
    ) -> Result<Answer, Unanswered> {
        let servers = &configuration.servers;
        // The last one must have its turn, too.
        let turns_at_once = u32::try_from(servers.len().max(1)).unwrap_or(u32::MAX);
        let timeout = configuration.timeout.min(DNS_LOOKUP_TIME_MAX / turns_at_once);
        let first = if configuration.rotate {
            self.first_server.fetch_add(1, Ordering::Relaxed)
        } else {
            self.first_server.load(Ordering::Relaxed)
        };
        let in_order = servers.iter().copied().enumerate().cycle().skip(first % servers.len().max(1));
        let mut failure = Unanswered::NoServer;
        for (index, server) in in_order.take(configuration.attempts * servers.len()) {
            let asking = ask_server(server, name, record_type, configuration.use_tcp);
            match tokio::time::timeout(timeout, asking).await {
                Ok(Ok(answer)) => {
                    if !configuration.rotate {
                        self.first_server.store(index, Ordering::Relaxed);
                    }
                    return Ok(answer);
                }
                Ok(Err(failed)) => failure = failed,
                Err(_) => failure = Unanswered::Silent(server),
            }
        }
        Err(failure)
    }
}

/// `localhost` and what is in it.
pub(super) fn is_localhost(name: &HostName) -> bool {
    let name = name.as_str();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_of_type(ip: IpAddr, ip_address_type: IpAddressType) -> bool {
    match ip_address_type {
        IpAddressType::Ipv4 => ip.is_ipv4(),
        IpAddressType::Ipv6 => ip.is_ipv6(),
        IpAddressType::Dualstack => true,
    }
}

/// What two families have together. One that has addresses is enough; where nobody could say what the
/// other one has, that is asked again soon.
fn either(
    one: Result<Found, LookupFailure>,
    other: Result<Found, LookupFailure>,
) -> Result<Found, LookupFailure> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok(Found { ips: [one.ips, other.ips].concat(), ttl: one.ttl.min(other.ttl) }),
        (Ok(found), Err(LookupFailure::Nothing { .. })) | (Err(LookupFailure::Nothing { .. }), Ok(found)) => {
            Ok(found)
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(Found { ttl: Duration::ZERO, ..found }),
        (Err(one), Err(other)) => Err(neither(one, other)),
    }
}

/// What two failures say together: that there is nothing is known only if both say so.
fn neither(one: LookupFailure, other: LookupFailure) -> LookupFailure {
    use LookupFailure::{Nothing, Unanswered};
    match (one, other) {
        (Nothing { name_exists, ttl }, Nothing { name_exists: other_exists, ttl: other_ttl }) => {
            let shorter = ttl.into_iter().chain(other_ttl).min();
            Nothing { name_exists: name_exists || other_exists, ttl: shorter }
        }
        (unanswered @ Unanswered(_), _) | (_, unanswered @ Unanswered(_)) => unanswered,
    }
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
}

/// What a file says; nothing where there is none. What is too long is cut off behind its last whole line.
async fn read(path: &Path) -> String {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path);
        let read = file.and_then(|file| file.take(DNS_FILE_BYTES_MAX).read_to_end(&mut bytes));
        if let Err(error) = read
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "A file about names cannot be read");
        }
        if bytes.len() as u64 == DNS_FILE_BYTES_MAX {
            bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0));
        }
        bytes
    });
    String::from_utf8_lossy(&read.await.unwrap_or_default()).into_owned()
}

/// Asks one server, over TCP where the answer does not fit otherwise (RFC 7766 section 5).
async fn ask_server(
    server: SocketAddr,
    name: &Name,
    record_type: RecordType,
    use_tcp: bool,
) -> Result<Answer, Unanswered> {
    let unreachable = |error| Unanswered::Unreachable(server, error);
    let mut id = [0; 2];
    rand::fill(&mut id).map_err(|_| unreachable(io::Error::other("no randomness")))?;
    let question = Question { id: u16::from_be_bytes(id), name: name.clone(), record_type };
    if !use_tcp {
        match ask_over_udp(server, &question).await.map_err(unreachable)? {
            Some(Reply::Answer(answer)) => return Ok(answer),
            Some(Reply::Failed(code)) => return Err(Unanswered::Failed(server, code)),
            Some(Reply::Truncated) => {}
            None => return Err(Unanswered::Damaged(server)),
        }
    }
    match ask_over_tcp(server, &question).await.map_err(unreachable)? {
        Some(Reply::Answer(answer)) => Ok(answer),
        Some(Reply::Failed(code)) => Err(Unanswered::Failed(server, code)),
        Some(Reply::Truncated) | None => Err(Unanswered::Damaged(server)),
    }
}

/// Asks from a port of its own, which others cannot guess, and hears this server alone; what does not
/// belong to the question is passed over.
async fn ask_over_udp(server: SocketAddr, question: &Question) -> io::Result<Option<Reply>> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&question.message()).await?;
    let mut message = vec![0; UDP_MESSAGE_BYTES_MAX];
    for _ in 0..DNS_STRAY_MESSAGES_MAX {
        let length = socket.recv(&mut message).await?;
        match question.read_reply(message.get(..length).unwrap_or_default()) {
            Ok(reply) => return Ok(Some(reply)),
            Err(ReplyError::AnotherQuestion) => {}
            Err(ReplyError::Malformed) => return Ok(None),
        }
    }
    Ok(None)
}

/// Each message is behind its length (RFC 1035 section 4.2.2).
async fn ask_over_tcp(server: SocketAddr, question: &Question) -> io::Result<Option<Reply>> {
    let mut stream = TcpStream::connect(server).await?;
    let message = question.message();
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), &message[..]].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    Ok(question.read_reply(&answer).ok())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tempfile::NamedTempFile;

    use super::*;

    /// What a name server does with a question.
    #[derive(Clone, Debug)]
    enum Act {
        /// Answers with these addresses' last bytes and a time to live.
        Addresses(&'static [u8], u8),
        /// Answers with an alias.
        Alias(&'static str),
        /// Answers with a response code.
        Code(u8),
        /// Says over UDP that it has more to say, and says it over TCP.
        OverTcp(&'static [u8]),
        /// Answers with a damaged record.
        Damage,
        /// Answers other questions first.
        Strays(usize),
        /// Says nothing.
        Silence,
    }

    /// A name server on a port of its own, over UDP and TCP, that acts by name and type.
    struct TestServer {
        address: SocketAddr,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl TestServer {
        async fn start(act: impl Fn(&str, RecordType) -> Act + Send + Sync + 'static) -> Self {
            let (udp, tcp) = loop {
                let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                if let Ok(tcp) = tokio::net::TcpListener::bind(udp.local_addr().unwrap()).await {
                    break (udp, tcp);
                }
            };
            let (address, asked) = (udp.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
            let (act, noted) = (Arc::new(act), Arc::clone(&asked));
            let over_tcp = Arc::clone(&act);
            tokio::spawn(async move {
                let mut message = [0; 512];
                loop {
                    let (length, from) = udp.recv_from(&mut message).await.unwrap();
                    let question = &message[..length];
                    let (name, record_type) = asked_for(question);
                    noted.lock().unwrap().push(format!("{name} {record_type:?}"));
                    for reply in replies(question, &act(&name, record_type), false) {
                        udp.send_to(&reply, from).await.unwrap();
                    }
                }
            });
            tokio::spawn(async move {
                loop {
                    let (mut stream, _) = tcp.accept().await.unwrap();
                    let mut question = vec![0; stream.read_u16().await.unwrap().into()];
                    stream.read_exact(&mut question).await.unwrap();
                    let (name, record_type) = asked_for(&question);
                    for reply in replies(&question, &over_tcp(&name, record_type), true) {
                        stream.write_u16(u16::try_from(reply.len()).unwrap()).await.unwrap();
                        stream.write_all(&reply).await.unwrap();
                    }
                }
            });
            Self { address, asked }
        }

        fn asked(&self) -> Vec<String> {
            self.asked.lock().unwrap().clone()
        }
    }

    fn asked_for(question: &[u8]) -> (String, RecordType) {
        let mut labels = Vec::new();
        let mut rest = &question[12..];
        while rest[0] != 0 {
            let (label, behind) = rest[1..].split_at(rest[0].into());
            labels.push(String::from_utf8(label.to_vec()).unwrap());
            rest = behind;
        }
        (labels.join("."), if rest[2] == 28 { RecordType::Aaaa } else { RecordType::A })
    }

    /// The answer is cut off.
    const TRUNCATED: u8 = 2;

    /// A response with these bits, this code and these records.
    fn response(question: &[u8], bits: u8, code: u8, records: &[Vec<u8>]) -> Vec<u8> {
        let counts = [0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0];
        let head = [&question[..2], &[0x80 | bits, code], &counts, &question[12..]].concat();
        [head, records.concat()].concat()
    }

    /// A record of the question's name.
    fn record(record_type: u8, ttl: u8, data: &[u8]) -> Vec<u8> {
        let length = u8::try_from(data.len()).unwrap();
        [&[0xc0, 12, 0, record_type, 0, 1, 0, 0, 0, ttl, 0, length], data].concat()
    }

    fn addresses(record_type: RecordType, last: &[u8], ttl: u8) -> Vec<Vec<u8>> {
        let of = |last: &u8| match record_type {
            RecordType::A => record(1, ttl, &[192, 0, 2, *last]),
            RecordType::Aaaa => {
                record(28, ttl, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, *last])
            }
        };
        last.iter().map(of).collect()
    }

    fn replies(question: &[u8], act: &Act, is_tcp: bool) -> Vec<Vec<u8>> {
        let (_, record_type) = asked_for(question);
        let found = |last, ttl| response(question, 0, 0, &addresses(record_type, last, ttl));
        match act {
            Act::Addresses(last, ttl) => vec![found(*last, *ttl)],
            Act::Alias(target) => {
                let mut wire = Vec::new();
                for label in target.split('.') {
                    wire.push(u8::try_from(label.len()).unwrap());
                    wire.extend_from_slice(label.as_bytes());
                }
                wire.push(0);
                vec![response(question, 0, 0, &[record(5, 30, &wire)])]
            }
            Act::Code(code) => vec![response(question, 0, *code, &[])],
            Act::OverTcp(last) if is_tcp => vec![found(*last, 60)],
            Act::OverTcp(_) => vec![response(question, TRUNCATED, 0, &[])],
            Act::Damage => vec![response(question, 0, 0, &[vec![0xff; 20]])],
            Act::Strays(count) => {
                let mut stray = found(&[66], 60);
                stray[0] ^= 1;
                let mut all = vec![stray; *count];
                all.push(found(&[1], 60));
                all
            }
            Act::Silence => Vec::new(),
        }
    }

    /// One that asks these servers, with a hosts file and a search list of its own.
    struct Machine {
        service: NameService,
        configuration: ResolvConf,
        _hosts: NamedTempFile,
    }

    impl Machine {
        fn asking(servers: &[&TestServer]) -> Self {
            let hosts = NamedTempFile::new().unwrap();
            let mut configuration = ResolvConf::of_servers(&[]);
            configuration.servers = servers.iter().map(|server| server.address).collect();
            configuration.timeout = Duration::from_millis(200);
            let mut service = NameService::new(NameServers::Given(configuration.servers.clone()));
            service.hosts = hosts.path().to_owned();
            Self { service, configuration, _hosts: hosts }
        }

        fn searching(mut self, domains: &[&str]) -> Self {
            self.configuration.search = domains.iter().map(|domain| Name::parse(domain).unwrap()).collect();
            self
        }

        async fn search(&self, name: &str, ip_address_type: IpAddressType) -> Result<Found, LookupFailure> {
            let name = Name::parse(name).unwrap();
            self.service.search(&self.configuration, &name, ip_address_type).await
        }

        async fn check(&self, name: &str, ip_address_type: IpAddressType, ips: &[&str], ttl: u64) {
            let found = self.search(name, ip_address_type).await.unwrap();
            let found_ips: Vec<String> = found.ips.iter().map(ToString::to_string).collect();
            assert_eq!(
                (found_ips, found.ttl.as_secs()),
                (ips.iter().map(ToString::to_string).collect(), ttl)
            );
        }

        async fn unanswered(&self, name: &str) -> Unanswered {
            match self.search(name, IpAddressType::Ipv4).await {
                Err(LookupFailure::Unanswered(unanswered)) => unanswered,
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn the_families_of_the_type_are_asked_for_and_no_others() {
        let server = TestServer::start(|_, record_type| match record_type {
            RecordType::A => Act::Addresses(&[1, 2], 60),
            RecordType::Aaaa => Act::Addresses(&[3], 20),
        })
        .await;
        let machine = Machine::asking(&[&server]);
        machine.check("a.test", IpAddressType::Ipv4, &["192.0.2.1", "192.0.2.2"], 60).await;
        machine.check("a.test", IpAddressType::Ipv6, &["2001:db8::3"], 20).await;
        assert_eq!(server.asked(), ["a.test A", "a.test Aaaa"]);
        let both = ["2001:db8::3", "192.0.2.1", "192.0.2.2"];
        machine.check("a.test", IpAddressType::Dualstack, &both, 20).await;
    }

    #[tokio::test]
    async fn one_family_is_enough_and_one_that_nobody_knows_is_asked_for_again_soon() {
        let server = TestServer::start(|name, record_type| match (name, record_type) {
            (_, RecordType::A) => Act::Addresses(&[1], 60),
            ("half.test", RecordType::Aaaa) => Act::Code(2),
            (_, RecordType::Aaaa) => Act::Code(0),
        })
        .await;
        let machine = Machine::asking(&[&server]);
        machine.check("a.test", IpAddressType::Dualstack, &["192.0.2.1"], 60).await;
        machine.check("half.test", IpAddressType::Dualstack, &["192.0.2.1"], 0).await;
    }

    #[tokio::test]
    async fn aliases_are_asked_for_and_not_for_ever() {
        let server = TestServer::start(|name, _| match name {
            "a.test" => Act::Alias("b.test"),
            "b.test" => Act::Addresses(&[1], 60),
            _ => Act::Alias("circle.test"),
        })
        .await;
        let machine = Machine::asking(&[&server]);
        machine.check("a.test", IpAddressType::Ipv4, &["192.0.2.1"], 30).await;
        let circle = machine.unanswered("other.test").await;
        assert!(matches!(circle, Unanswered::Damaged(_) | Unanswered::AliasesWithoutEnd), "{circle:?}");
    }

    #[tokio::test]
    async fn what_does_not_fit_comes_over_tcp() {
        let server = TestServer::start(|_, _| Act::OverTcp(&[1, 2, 3])).await;
        let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        Machine::asking(&[&server]).check("a.test", IpAddressType::Ipv4, &all, 60).await;
        let mut over_tcp_alone = Machine::asking(&[&server]);
        over_tcp_alone.configuration.use_tcp = true;
        over_tcp_alone.check("a.test", IpAddressType::Ipv4, &all, 60).await;
        assert_eq!(server.asked().len(), 1, "the second time UDP was not spoken");
    }

    #[tokio::test]
    async fn a_server_that_fails_is_passed_over_and_not_asked_first_again() {
        let strays = Act::Strays(DNS_STRAY_MESSAGES_MAX);
        for act in [Act::Code(2), Act::Code(5), Act::Silence, Act::Damage, strays] {
            let acted = act.clone();
            let bad = TestServer::start(move |_, _| acted.clone()).await;
            check_is_passed_over(&bad, &format!("{act:?}")).await;
        }
        // One whose port is closed.
        let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        check_is_passed_over(&TestServer { address: closed, asked: Arc::default() }, "closed").await;
    }

    async fn check_is_passed_over(bad: &TestServer, what: &str) {
        let good = TestServer::start(|_, _| Act::Addresses(&[1], 60)).await;
        let machine = Machine::asking(&[bad, &good]);
        machine.check("a.test", IpAddressType::Ipv4, &["192.0.2.1"], 60).await;
        let asked = bad.asked().len();
        machine.check("b.test", IpAddressType::Ipv4, &["192.0.2.1"], 60).await;
        assert_eq!(bad.asked().len(), asked, "{what}");
    }

    #[tokio::test]
    async fn with_rotate_each_question_begins_with_another_server() {
        let servers = [
            TestServer::start(|_, _| Act::Addresses(&[1], 60)).await,
            TestServer::start(|_, _| Act::Addresses(&[2], 60)).await,
        ];
        let mut machine = Machine::asking(&[&servers[0], &servers[1]]);
        machine.configuration.rotate = true;
        for expect in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
            machine.check("a.test", IpAddressType::Ipv4, &[expect], 60).await;
        }
    }

    #[tokio::test]
    async fn answers_to_other_questions_are_waited_out() {
        let server = TestServer::start(|_, _| Act::Strays(DNS_STRAY_MESSAGES_MAX - 1)).await;
        Machine::asking(&[&server]).check("a.test", IpAddressType::Ipv4, &["192.0.2.1"], 60).await;
    }

    #[tokio::test]
    async fn short_names_are_searched_and_failures_keep_from_saying_that_there_is_nothing() {
        let server = TestServer::start(|name, _| match name {
            "api.second.test" => Act::Addresses(&[1], 60),
            "other.first.test" => Act::Code(2),
            _ => Act::Code(3),
        })
        .await;
        let machine = Machine::asking(&[&server]).searching(&["first.test", "second.test"]);
        machine.check("api", IpAddressType::Ipv4, &["192.0.2.1"], 60).await;
        assert_eq!(server.asked(), ["api.first.test A", "api.second.test A"]);
        let failed = machine.unanswered("other").await;
        assert!(matches!(failed, Unanswered::Failed(_, 2)), "{failed:?}");
        let nothing = machine.search("none", IpAddressType::Ipv4).await.unwrap_err();
        assert!(matches!(nothing, LookupFailure::Nothing { name_exists: false, .. }), "{nothing:?}");
    }

    #[tokio::test]
    async fn the_hosts_file_comes_first_and_is_read_each_time() {
        let server = TestServer::start(|_, _| Act::Addresses(&[1], 60)).await;
        let mut machine = Machine::asking(&[&server]);
        let hosts = NamedTempFile::new().unwrap();
        machine.service.hosts = hosts.path().to_owned();
        for (text, name, ip_address_type, expect) in [
            ("10.0.0.1 a.test", "a.test", IpAddressType::Ipv4, vec!["10.0.0.1"]),
            ("10.0.0.2 A.TEST", "a.test", IpAddressType::Dualstack, vec!["10.0.0.2"]),
            ("fd00::1 a.test", "a.test", IpAddressType::Ipv4, vec!["192.0.2.1"]),
            ("", "api.localhost", IpAddressType::Ipv6, vec!["127.0.0.1", "::1"]),
            ("10.0.0.3 api.localhost", "api.localhost", IpAddressType::Ipv6, vec!["10.0.0.3"]),
        ] {
            std::fs::write(hosts.path(), text).unwrap();
            let name = HostName::parse(name).unwrap();
            let found = machine.service.look_up(&name, ip_address_type).await.unwrap();
            let ips: Vec<String> = found.ips.iter().map(ToString::to_string).collect();
            assert_eq!(ips, expect, "{text}");
        }
        assert_eq!(server.asked(), ["a.test A"]);
    }

    #[tokio::test]
    async fn resolv_conf_is_read_each_time() {
        let file = NamedTempFile::new().unwrap();
        let mut service = NameService::new(NameServers::OfMachine);
        service.resolv_conf = file.path().to_owned();
        for server in ["192.0.2.1", "192.0.2.2"] {
            std::fs::write(file.path(), format!("nameserver {server}\n")).unwrap();
            let expect: SocketAddr = format!("{server}:53").parse().unwrap();
            assert_eq!(service.configuration().await.servers, [expect]);
        }
        service.resolv_conf = "/no/such/file".into();
        assert_eq!(service.configuration().await, ResolvConf::default());
    }

    #[tokio::test]
    async fn a_file_is_cut_off_behind_a_whole_line() {
        let file = NamedTempFile::new().unwrap();
        let long = usize::try_from(DNS_FILE_BYTES_MAX).unwrap();
        let text = format!("10.0.0.1 a.test\n{}", "10.0.0.2 b.test.example\n".repeat(long / 20));
        std::fs::write(file.path(), text).unwrap();
        let read = read(file.path()).await;
        assert!(read.len() < long && read.lines().skip(1).all(|line| line == "10.0.0.2 b.test.example"));
    }
}
