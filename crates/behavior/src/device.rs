//! What kind of device a viewer is, by its `User-Agent`.

use edge_config::CloudFrontHeader;

/// What is looked at of a `User-Agent`. Browsers send up to 300 bytes, apps within them up to 600.
const USER_AGENT_BYTES_MAX: usize = 1024;

/// A viewer's device. Several may be true: a tablet that says that it is mobile is both ("Add CloudFront
/// request headers", Device type headers). What is nothing else is a desktop, programs included.
///
/// CloudFront does not say how it decides; these are the words by which makers tell their devices apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent observations, not a state")]
pub(crate) struct Device {
    android: bool,
    ios: bool,
    mobile: bool,
    smart_tv: bool,
    tablet: bool,
}

const SMART_TVS: [&str; 18] = [
    "smart-tv",
    "smarttv",
    "smart tv",
    "googletv",
    "google tv",
    "android tv",
    "appletv",
    "apple tv",
    "hbbtv",
    "netcast",
    "web0s",
    "bravia",
    "viera",
    "roku",
    "crkey",
    "aquos-tv",
    "philipstv",
    "nettv",
];
const IOS: [&str; 3] = ["iphone", "ipad", "ipod"];
const TABLETS: [&str; 5] = ["ipad", "tablet", "kindle", "playbook", "silk/"];
const MOBILES: [&str; 9] = [
    "mobile",
    "iphone",
    "ipod",
    "windows phone",
    "blackberry",
    "bb10",
    "opera mini",
    "opera mobi",
    "symbian",
];

impl Device {
    pub(crate) fn of(user_agent: &[u8]) -> Self {
        let mut text = [0; USER_AGENT_BYTES_MAX];
        let length = user_agent.len().min(USER_AGENT_BYTES_MAX);
        text[..length].copy_from_slice(&user_agent[..length]);
        text.make_ascii_lowercase();
        let text = &text[..length];
        let has = |word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
        let has_any = |words: &[&str]| words.iter().any(|word| has(word));

        // Windows Phone says that it is like all the others, and old desktops that they have a pen.
        let is_windows_phone = has("windows phone");
        let smart_tv = has_any(&SMART_TVS);
        let android = has("android") && !is_windows_phone;
        let mobile = has_any(&MOBILES) && !smart_tv;
        let tablet = !smart_tv
            && !has("tablet pc")
            && !is_windows_phone
            && (has_any(&TABLETS) || (android && !mobile));
        Self { android, ios: has_any(&IOS) && !is_windows_phone, mobile, smart_tv, tablet }
    }

    /// Whether it is what a header of this name asks for.
    pub(crate) fn is(self, header: CloudFrontHeader) -> bool {
        match header {
            CloudFrontHeader::IsAndroidViewer => self.android,
            CloudFrontHeader::IsDesktopViewer => {
                !(self.android || self.ios || self.mobile || self.smart_tv || self.tablet)
            }
            CloudFrontHeader::IsIosViewer => self.ios,
            CloudFrontHeader::IsMobileViewer => self.mobile,
            CloudFrontHeader::IsSmartTvViewer => self.smart_tv,
            CloudFrontHeader::IsTabletViewer => self.tablet,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use edge_config::CloudFrontHeaders;

    use super::*;

    fn check(user_agent: &str, expect: &str) {
        let device = Device::of(user_agent.as_bytes());
        let told: Vec<&str> = CloudFrontHeaders::OF_DEVICES
            .iter()
            .filter(|header| device.is(*header))
            .map(|header| header.name().trim_start_matches("CloudFront-Is-").trim_end_matches("-Viewer"))
            .collect();
        assert_eq!(told.join(" "), expect, "{user_agent}");
    }

    #[test]
    fn desktops_and_programs() {
        for user_agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 \
             Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/17.4 Safari/605.1.15",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Tablet PC 2.0)",
            "curl/8.14.1",
            "",
        ] {
            check(user_agent, "Desktop");
        }
    }

    #[test]
    fn telephones() {
        check(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/17.4 Mobile/15E148 Safari/604.1",
            "IOS Mobile",
        );
        check(
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile \
             Safari/537.36",
            "Android Mobile",
        );
        check("Opera/9.80 (J2ME/MIDP; Opera Mini/9.80/37.5; U; en) Presto/2.12.423", "Mobile");
        check(
            "Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0; ARM; Trident/7.0; Touch; rv:11.0; \
             IEMobile/11.0; NOKIA; Lumia 520) like iPhone OS 7_0_3 Mac OS X AppleWebKit/537 Mobile Safari/537",
            "Mobile",
        );
    }

    #[test]
    fn tablets() {
        check(
            "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/12.1 Mobile/15E148 Safari/604.1",
            "IOS Mobile Tablet",
        );
        check(
            "Mozilla/5.0 (Linux; Android 13; SM-X906C) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/143.0.0.0 Safari/537.36",
            "Android Tablet",
        );
        check("Mozilla/5.0 (Android 14; Tablet; rv:140.0) Gecko/140.0 Firefox/140.0", "Android Tablet");
        check(
            "Mozilla/5.0 (X11; Linux armv7l like Android; en-us) AppleWebKit/531.2+ (KHTML, like Gecko) \
             Version/5.0 Safari/533.2+ Kindle/3.0+",
            "Android Tablet",
        );
    }

    #[test]
    fn televisions() {
        check(
            "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/538.1 (KHTML, like Gecko) Version/6.0 TV \
             Safari/538.1",
            "SmartTV",
        );
        check(
            "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.79 \
             Safari/537.36",
            "SmartTV",
        );
        check("AppleTV11,1/11.1", "SmartTV");
        check("Dalvik/2.1.0 (Linux; U; Android 9; BRAVIA 4K VH2 Build/PTT1)", "Android SmartTV");
    }

    #[test]
    fn what_is_far_behind_is_not_looked_at() {
        check(&format!("{}iPhone", "x".repeat(USER_AGENT_BYTES_MAX)), "Desktop");
        check(&format!("{}iPhone", "x".repeat(USER_AGENT_BYTES_MAX - 6)), "IOS Mobile");
    }
}
