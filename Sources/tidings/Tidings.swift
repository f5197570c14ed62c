@main struct Tidings { static func main() {} }
