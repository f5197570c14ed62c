// The tables of summaries.sqlite and the views that people query (docs/summaries.md).

import Events

/// The SQL of summaries.sqlite. The `fold_` tables hold numbers, one row for each row of the fold, so that a
/// checkpoint is cheap; the views give them names and are the public interface. Their columns have no NOT NULL: where a
/// row of many could be refused for it, SQLite would first copy each page that it touches (its statement journal).
enum SummarySchema {
    /// Every public view, in the order of `SummaryStore.dump`.
    static let views = [
        "product_summary", "aspect_summary", "preference", "numeric", "rating", "feature_usage", "fault", "feedback",
        "daily_product", "daily_aspect", "daily_choice",
    ]

    static let tables = """
        CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS word (
            kind INTEGER NOT NULL, id INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (kind, id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS word_text ON word (kind, text);
        CREATE TABLE IF NOT EXISTS fold_product (
            product INTEGER PRIMARY KEY,
            events INTEGER, preferences INTEGER, ratings INTEGER, uses INTEGER, texts INTEGER, faults INTEGER,
            others INTEGER, first_ms INTEGER, last_ms INTEGER, devices INTEGER, customers INTEGER, missing INTEGER,
            duplicates INTEGER, unfiled INTEGER, quarantined INTEGER, quarantine_reasons TEXT, rating_count INTEGER,
            rating_sum REAL, rating_top INTEGER, top_low REAL, top_high REAL, rating_histogram TEXT,
            use_total INTEGER, fault_total INTEGER
        ) STRICT;
        CREATE TABLE IF NOT EXISTS fold_slot (id INTEGER PRIMARY KEY, slot INTEGER) STRICT;
        CREATE TABLE IF NOT EXISTS fold_aspect (
            slot INTEGER PRIMARY KEY, product INTEGER, aspect INTEGER, unit INTEGER,
            events INTEGER, preferences INTEGER, ratings INTEGER, uses INTEGER, texts INTEGER, faults INTEGER,
            others INTEGER, first_ms INTEGER, last_ms INTEGER, devices INTEGER, customers INTEGER,
            choosing INTEGER, flags_on INTEGER, flags_off INTEGER, numbering INTEGER, other_now INTEGER,
            other_sets INTEGER, moves INTEGER, late INTEGER, number_count INTEGER, number_sum REAL, number_min REAL,
            number_max REAL, p5 REAL, p25 REAL, p50 REAL, p75 REAL, p95 REAL, use_total INTEGER, fault_total INTEGER,
            max_severity INTEGER, other_faults INTEGER, choices TEXT, fault_codes TEXT, rating_scales TEXT
        ) STRICT;
        CREATE TABLE IF NOT EXISTS fold_product_day (
            id INTEGER PRIMARY KEY, product INTEGER, day INTEGER,
            preferences INTEGER, ratings INTEGER, uses INTEGER, texts INTEGER, faults INTEGER, others INTEGER,
            rating_count INTEGER, rating_sum REAL, devices INTEGER, customers INTEGER, device_set BLOB,
            customer_set BLOB
        ) STRICT;
        CREATE TABLE IF NOT EXISTS fold_aspect_day (
            id INTEGER PRIMARY KEY, counts TEXT, choices TEXT
        ) STRICT;
        CREATE TABLE IF NOT EXISTS fold_feedback (
            id INTEGER PRIMARY KEY, product INTEGER, number INTEGER, "offset" INTEGER, aspect INTEGER,
            language INTEGER, time_ms INTEGER, rating REAL, scale INTEGER, text TEXT
        ) STRICT;
        CREATE TABLE IF NOT EXISTS state (
            part INTEGER NOT NULL, page INTEGER NOT NULL, checksum INTEGER NOT NULL, body BLOB NOT NULL,
            PRIMARY KEY (part, page)
        ) STRICT;
        """

    // Keys are integers, so that a row is found by comparing numbers and rows that are written together lie together.

    /// The key of one day of a product: (product, day).
    static func productDayKey(_ product: UInt32, _ day: Int32) -> Int64 {
        Int64(product) << 32 | (Int64(day) - Int64(Int32.min))
    }
    /// The key of one day of an aspect: (day, slot). One day's rows are written again and again, and lie together.
    static func aspectDayKey(_ slot: UInt32, _ day: Int32) -> Int64 { Int64(day) << 32 | Int64(slot) }
    /// The key by which an aspect's slot is found: (product, aspect).
    static func slotKey(_ row: borrowing AspectRow) -> Int64 { Int64(row.product) << 32 | Int64(row.aspect) }
    /// The key of a feedback text: (product, place among its latest texts).
    static func textKey(_ product: UInt32, _ place: UInt64) -> Int64 { Int64(product) << 8 | Int64(place) }

    private static func name(_ kind: Int, _ column: String, _ label: String) -> String {
        "coalesce((SELECT text FROM word WHERE kind = \(kind) AND id = \(column)), '\(label)#' || \(column))"
    }
    private static func time(_ column: String) -> String {
        "strftime('%Y-%m-%dT%H:%M:%fZ', \(column) / 1000.0, 'unixepoch')"
    }
    private static let kinds = "events, preferences, ratings, uses, texts, faults, others"
    private static let dayKinds = """
        preferences + ratings + uses + texts + faults + others AS events, preferences, ratings, uses, texts, faults,
        others
        """
    /// Aspects and their days, the day of a row of these, and what it counts: `[preferences, ratings, uses, texts,
    /// faults, others, uses in all, faults in all, other sets, [ratings, their sum, histogram of five], [numbers, their
    /// sum, least, most]]`, without what is empty at the end. Many rows are written at once, and a column costs more
    /// than a number within one.
    private static let aspectDays = "fold_aspect_day AS d JOIN fold_aspect AS a ON a.slot = d.id & 4294967295"
    private static let day = "(d.id >> 32)"
    private static func count(_ path: String) -> String { "json_extract(d.counts, '$\(path)')" }
    private static let dayCounts = KindCounts.names.enumerated()
        .map { "\(count("[\($0.offset)]")) AS \($0.element)" }.joined(separator: ", ")
    private static let dayEvents = KindCounts.places.map { count("[\($0)]") }.joined(separator: " + ")
    private static let product = name(1, "product", "product") + " AS product"
    private static let aspect = "CASE WHEN aspect = 0 THEN '' ELSE \(name(2, "aspect", "aspect")) END AS aspect"
    private static let unit = "CASE WHEN unit = 0 THEN NULL ELSE \(name(4, "unit", "unit")) END AS unit"
    private static let now = "(choosing + flags_on + flags_off + numbering)"

    /// The scales whose names do not follow from their numbers; any other `n` is called `1-n`.
    private static let scaleNames: [(number: UInt8, name: String)] = [
        (0, "1-5"), (1, "0-1"), (10, "0-10"), (Event.scaleOneToTen, "1-10"),
    ]

    /// The name of a rating scale, such as `1-5`.
    static func scaleName(_ number: Int) -> String {
        scaleNames.first { Int($0.number) == number }?.name ?? "1-\(number)"
    }

    private static let scale =
        "CASE \"scale\" "
        + scaleNames.map { "WHEN \($0.number) THEN '\($0.name)'" }.joined(separator: " ")
        + " ELSE '1-' || \"scale\" END"

    /// The views by name, each as SQLite keeps its definition.
    static let viewDefinitions: [(name: String, sql: String)] = [
        ("product_summary", productSummary), ("aspect_summary", aspectSummary), ("preference", preference),
        ("numeric", numeric), ("rating", rating), ("feature_usage", featureUsage), ("fault", fault),
        ("feedback", feedback), ("daily_product", dailyProduct), ("daily_aspect", dailyAspect),
        ("daily_choice", dailyChoice),
    ].map { (name: $0.0, sql: "CREATE VIEW \($0.0) AS \($0.1)") }

    private static let productSummary = """
        SELECT \(product), \(kinds), devices, customers, \(time("first_ms")) AS first_time,
            \(time("last_ms")) AS last_time, quarantined, quarantine_reasons, missing, duplicates, unfiled,
            rating_count, rating_sum / nullif(rating_count, 0) AS rating_mean, top_low, top_high, rating_histogram,
            use_total, fault_total
        FROM fold_product
        """

    private static let aspectSummary = """
        SELECT \(product), \(aspect), \(kinds), devices, customers, \(time("first_ms")) AS first_time,
            \(time("last_ms")) AS last_time, \(now) AS devices_with_preference, moves, late, use_total,
            fault_total, max_severity
        FROM fold_aspect
        """

    private static let preference = """
        SELECT \(product), \(aspect), \(name(3, "json_extract(c.value, '$[0]')", "value")) AS value,
            json_extract(c.value, '$[1]') AS devices_now,
            1.0 * json_extract(c.value, '$[1]') / nullif(\(now), 0) AS share,
            json_extract(c.value, '$[2]') AS sets
        FROM fold_aspect, json_each(choices) AS c
        UNION ALL
        SELECT \(product), \(aspect), '__other__', other_now, 1.0 * other_now / nullif(\(now), 0), other_sets
        FROM fold_aspect WHERE other_now + other_sets > 0
        UNION ALL
        SELECT \(product), \(aspect), 'true', flags_on, 1.0 * flags_on / nullif(\(now), 0), NULL
        FROM fold_aspect WHERE flags_on > 0
        UNION ALL
        SELECT \(product), \(aspect), 'false', flags_off, 1.0 * flags_off / nullif(\(now), 0), NULL
        FROM fold_aspect WHERE flags_off > 0
        """

    private static let numeric = """
        SELECT \(product), \(aspect), \(unit), numbering AS devices_now, p5, p25, p50, p75, p95,
            number_count AS sets, number_sum / number_count AS mean, number_min AS least, number_max AS most
        FROM fold_aspect WHERE number_count > 0
        """

    private static let rating = """
        SELECT product, aspect, \(scale) AS "scale", ratings, 1.0 * sum / ratings AS mean,
            CASE "scale" WHEN 0 THEN (sum + \(ProjectionLimits.priorRatings) * product_mean)
                / (ratings + \(ProjectionLimits.priorRatings)) END AS adjusted_mean,
            1.0 * top / ratings AS top_share, top_low, top_high, histogram
        FROM (
            SELECT \(name(1, "a.product", "product")) AS product, \(name(2, "a.aspect", "aspect")) AS aspect,
                json_extract(r.value, '$[0]') AS "scale", json_extract(r.value, '$[1]') AS ratings,
                json_extract(r.value, '$[2]') AS sum, json_extract(r.value, '$[3]') AS top,
                json_extract(r.value, '$[4]') AS top_low, json_extract(r.value, '$[5]') AS top_high,
                json_extract(r.value, '$[6]') AS histogram,
                p.rating_sum / nullif(p.rating_count, 0) AS product_mean
            FROM fold_aspect AS a JOIN fold_product AS p USING (product), json_each(a.rating_scales) AS r
        )
        """

    private static let featureUsage = """
        SELECT \(product), \(aspect), uses AS events, use_total AS total FROM fold_aspect WHERE uses > 0
        """

    private static let fault = """
        SELECT \(product), \(aspect), \(name(3, "json_extract(f.value, '$[0]')", "code")) AS code,
            json_extract(f.value, '$[1]') AS events, json_extract(f.value, '$[2]') AS total,
            json_extract(f.value, '$[3]') AS max_severity
        FROM fold_aspect, json_each(fault_codes) AS f
        UNION ALL
        SELECT \(product), \(aspect), '__other__', NULL, other_faults, NULL FROM fold_aspect WHERE other_faults > 0
        """

    private static let feedback = """
        SELECT \(product), "offset", \(time("time_ms")) AS time, \(aspect),
            CASE WHEN language = 0 THEN NULL ELSE \(name(5, "language", "language")) END AS language,
            rating, text
        FROM fold_feedback
        """

    private static let dailyProduct = """
        SELECT \(product), date(day * 86400, 'unixepoch') AS day, \(dayKinds), devices, customers, rating_count,
            rating_sum / nullif(rating_count, 0) AS rating_mean
        FROM fold_product_day
        """

    private static let dailyAspect = """
        SELECT \(product), \(aspect), date(\(day) * 86400, 'unixepoch') AS day, \(dayEvents) AS events, \(dayCounts),
            coalesce(\(count("[9][0]")), 0) AS rating_count,
            1.0 * \(count("[9][1]")) / \(count("[9][0]")) AS rating_mean,
            json_array(\((2..<7).map { "coalesce(\(count("[9][\($0)]")), 0)" }.joined(separator: ", ")))
                AS rating_histogram,
            coalesce(\(count("[6]")), 0) AS use_total, coalesce(\(count("[7]")), 0) AS fault_total,
            coalesce(\(count("[10][0]")), 0) AS number_count,
            1.0 * \(count("[10][1]")) / \(count("[10][0]")) AS number_mean,
            1.0 * \(count("[10][2]")) AS number_min, 1.0 * \(count("[10][3]")) AS number_max
        FROM \(aspectDays)
        """

    private static let dailyChoice = """
        SELECT \(product), \(aspect), date(\(day) * 86400, 'unixepoch') AS day,
            \(name(3, "json_extract(c.value, '$[0]')", "value")) AS value, json_extract(c.value, '$[1]') AS sets
        FROM \(aspectDays), json_each(d.choices) AS c
        """
}
