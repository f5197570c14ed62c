// The status in words and figures: laid out for any width, and never another number than readers see.

import Foundation
import Presentation
import Testing

@Suite struct StatusTextTests {
    private static let names: [(product: String, device: String)] = [
        ("kettle", "k-1"), (String(repeating: "p", count: 128), String(repeating: "d", count: 128)),
        ("\u{1b}[31mred\u{7}", "tab\tnewline\nreturn\r"), (String(repeating: "茶", count: 42), "\u{202e}txt.exe"),
        ("", String(repeating: "🫖", count: 30)),
    ]

    private func status(_ change: (inout [String: Any]) -> Void = { _ in }) throws -> DaemonStatus {
        var fields: [String: Any] = [
            "version": "0.1.0", "pid": 4_711, "uptime_seconds": 93_784.0,
            "listening": ["tcp": "[2001:db8::1]:7411", "udp": "0.0.0.0:7411"],
            "exposed": ["tcp [2001:db8::1]:7411", "udp 0.0.0.0:7411"], "head": 123_456_789,
            "projected": 123_456_000, "start": 17, "chain_head": "123456789:" + String(repeating: "a5", count: 32),
            "last_event": "2026-11-29T12:00:00.000Z", "unreadable": 3, "retention_segments": 2,
            "retention_events": 17, "disk_free_bytes": 82_166_771_712, "disk_hours_left": 11.5,
            "scrub": ["segments": 3, "damages": 0, "last": "2026-11-29T11:00:00.000Z"], "connections": 2_000,
            "connections_accepted": 2_015,
            "connections_ended": ["idle": 1, "slow": 2, "silent": 3, "refused": 4, "unread": 5], "pauses": 6,
            "storage": "good",
            "projection": "no room for the summaries: database or disk is full (13); free some space, "
                + "the daemon goes on by itself",
            "devices": 5, "customers": 6, "consents": 4, "email_names": 7, "events_of_forgotten": 0,
            "stale_events": 1_234_567,
            "ids_remembered": 8_388_608, "ids_forgotten": 9_000_000, "ids_crowded_out": 12,
            "stale_devices": Self.names.enumerated().map {
                ["product": $0.element.product, "device": $0.element.device, "events": 1_000_000 - $0.offset]
            },
            "transports": [
                "tcp_json": [
                    "received": 10, "committed": 1, "without_consent": 0, "duplicate": 2, "stale": 3,
                    "quarantined": ["out_of_range": 1],
                    "refused": ["too_many_new_names": 2], "dropped": ["device": 1], "in_flight": 0,
                ]
            ], "is_balanced": true,
            "tls": NSNull(), "auth_mode": "warn",
            "mqtt": ["sessions": 12_345, "taken_over": 3, "foreign": 1_000_000, "wills": 8],
            "access": ["device_keys": 12_345, "tokens": 7, "master_keys": 2, "problem": "good"],
            "credential_faults": Self.names.enumerated().map {
                [
                    "product": $0.element.product, "device": $0.element.device, "address": "", "fault": "missing",
                    "count": 1_000_000 - $0.offset, "last": "2026-11-29T12:00:00.000Z",
                ]
            }, "credential_faults_others": 3,
            "config_reloads": 3, "config_last_reload_ok": false,
            "config_needs_restart": ["listen.tcp.port", "data_dir"],
        ]
        change(&fields)
        return try JSONDecoder().decode(DaemonStatus.self, from: JSONSerialization.data(withJSONObject: fields))
    }

    private func style(_ width: Int) -> TableStyle { TableStyle(isUnicode: true, isColored: false, width: width) }

    @Test(arguments: [40, 60, 80, 120, 200]) func noLineIsWiderThanTheTerminal(_ width: Int) throws {
        let text = renderStatus(try status(), style: style(width))
        for line in text.split(separator: "\n") {
            #expect(columns(String(line)) <= width, "\(line)")
            #expect(!line.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f || $0.value == 0x202e })
        }
        // Whatever the width, these are whole.
        let words = text.split { " \n".contains($0) }.joined(separator: " ")
        #expect(words.contains("no room for the summaries: database or disk is full (13); free some space,"))
        #expect(words.contains("789 behind"))
        #expect(words.contains("12,345 of devices, 7 tokens, two master keys, a rotation is under way"))
        #expect(words.contains("4,999,993 events or requests without a good credential would be refused"))
        #expect(words.contains("8,388,608 remembered, 9,000,000 gave way to later ones of their device, 12 to those"))
        #expect(text.replacing(/\n */, with: "").contains(String(repeating: "a5", count: 32)))
    }

    @Test func aLongNameShortensItselfAndNotTheCount() throws {
        let lines = renderStatus(try status(), style: style(80)).split(separator: "\n")
        let counts = lines.filter { $0.hasSuffix("1,000,000") || $0.contains(/\ +999,99[6-9]$/) }
        // Of stale events, and of credentials.
        #expect(counts.count == 10)
        for table in [counts.prefix(5), counts.suffix(5)] {
            #expect(Set(table.map { columns(String($0)) }).count == 1, "the counts stand in one column")
        }
        #expect(counts[0].contains("kettle") && counts[0].contains("k-1"))
    }

    @Test func aDaemonThatHasDoneNothingIsHealthy() {
        let status = DaemonStatus()
        #expect(status.isHealthy && status.isBalanced)
        let text = renderStatus(status, style: style(120))
        #expect(text.contains("last event   none\n") && text.contains("balanced     yes\n"), "\(text)")
        #expect(statusCSV(status) == "transport,outcome,reason,events\r\n")
    }

    @Test func addressesKeepTheirBrackets() throws {
        let text = renderStatus(try status(), style: style(120))
        #expect(text.contains("tcp [2001:db8::1]:7411, udp 0.0.0.0:7411"))
        #expect(text.contains("exposed      tcp [2001:db8::1]:7411 and udp 0.0.0.0:7411: whoever reaches it"))
    }

    @Test func countsAsCSVFollowTheStandard() throws {
        let lines = statusCSV(try status()).components(separatedBy: "\r\n")
        #expect(lines.first == "transport,outcome,reason,events")
        #expect(lines.contains("tcp_json,quarantined,out_of_range,1") && lines.last == "")
    }

    @Test func onlyWhatNeedsAPersonIsUnhealthy() throws {
        #expect(try !status().isHealthy, "the summaries cannot be written")
        let good = try status { $0["projection"] = "good" }
        #expect(good.isHealthy)
        #expect(
            try !status { fields in
                fields["projection"] = "good"
                fields["access"] =
                    ["device_keys": 1, "tokens": 0, "master_keys": 0, "problem": "gone"] as [String: Any]
            }.isHealthy)
        #expect(try !status { ($0["projection"], $0["storage"]) = ("good", "no room") }.isHealthy)
        #expect(
            try !status { fields in
                fields["projection"] = "good"
                fields["scrub"] = ["segments": 1, "damages": 1, "last": NSNull()] as [String: Any]
            }.isHealthy)
    }

    @Test func whatIsNotKnownIsNullAndSaid() throws {
        let unknown = try status { fields in
            for key in ["last_event", "disk_free_bytes", "disk_hours_left"] { fields[key] = NSNull() }
        }
        #expect(unknown.lastEvent == nil && unknown.diskFreeBytes == nil && unknown.diskHoursLeft == nil)
        let text = String(decoding: try JSONEncoder().encode(unknown), as: UTF8.self)
        #expect(text.contains("\"last_event\":null") && text.contains("\"disk_hours_left\":null"))
        #expect(renderStatus(unknown, style: style(120)).contains("disk         how much is free is not known"))
    }
}
