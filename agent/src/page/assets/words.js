// What the page itself says, in both languages. What is wrong and what to do comes from the agent, in both too.
"use strict";
var docket = {};
(() => {
  const STORED = "docket-language";

  const words = {
    title: ["门店打印", "Store printing"],
    since: ["已 ", "for "],
    ago: ["前", " ago"],
    units: [["天", "小时", "分", "秒"], ["d", "h", "min", "s"]],
    clockAhead: ["电脑时钟不准", "the PC's clock is off"],

    reading: ["正在读取状态……", "Reading the state…"],
    well: ["一切正常", "All is well"],
    wellMore: ["打印机都在线,小票随到随打", "Every printer is online; tickets print as they come"],
    stale: ["页面和打印程序断开了,下面是旧的情况", "This page has lost the printing program; what is below is old"],
    staleMore: ["正在重新连接。一直不恢复就重启电脑", "Connecting again. If it stays so, restart this PC"],
    someUnknown: ["有打印机还没有应答,看不出好不好", "A printer has not answered yet; nobody knows how it is"],
    stuck: ["打印程序没有更新状态,下面是旧的情况", "The printing program tells nothing new; what is below is old"],
    lastAt: ["最后更新 ", "Last update "],
    more: ["还有", "Also"],

    linked: ["已连接总部", "Connected to headquarters"],
    connecting: ["正在连接总部", "Connecting to headquarters"],
    unlinked: ["没连上总部", "Not connected to headquarters"],
    tcp: ["TCP(备用)", "TCP (fallback)"],
    tcpProxied: ["TCP(备用,经代理)", "TCP (fallback, by proxy)"],

    printers: ["打印机", "Printers"],
    lights: [
      { red: "不能打印", yellow: "要留意", unknown: "不清楚", green: "正常", paused: "已暂停" },
      { red: "Not printing", yellow: "Look", unknown: "Not known", green: "OK", paused: "Paused" },
    ],
    isDefault: ["默认", "default"],
    isDefaultHint: ["没有对应档口的小票在这里打", "prints tickets of no known station"],
    stations: ["档口", "Stations"],
    noStations: ["(无)", "(none)"],
    paper: ["纸宽", "Paper"],
    address: ["地址", "Address"],
    waiting: ["待打", "Waiting"],
    sheets: [" 张", ""],
    heard: ["最近应答", "Last answer"],
    neverHeard: ["还没有应答", "no answer yet"],
    settingUp: ["正在启用……", "Setting up…"],
    backup: ["备用打印机", "Backup printer"],
    noBackup: ["不用备用", "none"],
    isOff: ["没有启用", "Off"],
    fixed: ["由 agent.toml 设定,不能在这里改", "Set in agent.toml; it cannot be changed here"],
    ofHeadquarters: ["由总部设定;在这里改的,总部再改这台之前一直有效", "Set by headquarters; what you change here counts until headquarters changes this printer again"],
    insteadOfHeadquarters: ["本店改过总部的设定;删除即恢复总部的", "Changed here from what headquarters has set; removing it takes the change back"],
    test: ["打测试页", "Test page"],
    pause: ["暂停", "Pause"],
    resume: ["继续", "Resume"],
    change: ["修改", "Change"],
    remove: ["删除", "Remove"],
    removeSure: ["确定删除?没打的小票会转到别的打印机", "Really? Its tickets go to other printers"],
    yesRemove: ["删除这台打印机", "Remove this printer"],
    save: ["保存", "Save"],
    cancel: ["取消", "Cancel"],
    close: ["关闭", "Close"],

    add: ["添加打印机", "Add a printer"],
    find: ["找打印机", "Find printers"],
    findAgain: ["再找一次", "Find again"],
    finding: ["正在找:网络、USB、串口……", "Looking: network, USB, serial…"],
    foundNone: ["没找到。检查打印机电源和网线,再找一次;或者直接填地址", "None found. Check power and cable and look again, or give an address"],
    foundSome: ["不知道是哪一台?先点「打印编号」,看编号从哪台出来", "Not sure which is which? Print the numbers and see where they come out"],
    printNumber: ["打印编号", "Print the number"],
    useThis: ["用这台", "Use this one"],
    alreadyAs: ["已添加为", "added already as"],
    number: ["号", ""],
    manual: ["直接填地址", "Give an address"],
    manualHint: ["例如 192.168.1.50、serial:COM3、usb:/dev/usb/lp0", "e.g. 192.168.1.50, serial:COM3, usb:/dev/usb/lp0"],
    useAddress: ["用这个地址", "Use this address"],
    newPrinter: ["新打印机", "New printer"],
    name: ["名称", "Name"],
    nameHint: ["点一个,或者自己写", "Choose one, or write your own"],
    names: [
      [["前台", "front"], ["后厨", "kitchen"], ["吧台", "bar"], ["标签", "label"]],
      [["Front", "front"], ["Kitchen", "kitchen"], ["Bar", "bar"], ["Label", "label"]],
    ],
    stationNames: [
      { front: "前台", kitchen: "后厨", bar: "吧台", label: "标签" },
      { front: "Front", kitchen: "Kitchen", bar: "Bar", label: "Label" },
    ],
    stationsHint: ["打哪些档口的小票", "Whose tickets it prints"],
    otherStations: ["其他档口(用逗号分开)", "Other stations (commas between)"],
    takenBy: ["由 {0} 打", "printed by {0}"],
    addAndTest: ["添加并打测试页", "Add and print a test page"],

    held: ["等人处理的小票", "Tickets that wait for you"],
    heldHint: ["不知道出没出纸的,去打印机那里看一下,再点一个", "Where nobody knows whether it came out: look at the printer, then choose"],
    notOut: ["没出纸,重打", "Not on paper: print it"],
    stillWanted: ["还要,打印", "Still wanted: print it"],
    notWanted: ["不要了", "Not wanted"],
    isOut: ["已出纸,不用打", "It is on paper: done"],

    tickets: ["最近的小票", "Newest tickets"],
    ticketsNone: ["还没有小票", "No tickets yet"],
    look: ["看小票", "Look"],
    hide: ["收起", "Hide"],
    confirmed: ["打印机已确认", "confirmed"],
    urgent: ["加急", "urgent"],
    onBackup: ["【备用】", "backup: "],
    repeat: ["补打 {0}", "repeat {0}"],
    cutShort: ["太长,没打完,请核对这一单", "too long, so it is not whole: look at the order"],
    boxes: ["打成方框:", "boxes for "],
    boxesSome: ["有字打成了方框。", "Some characters came out as boxes. "],
    reprint: ["补打", "Print again"],
    reprintSure: ["再打一张?小票上会标「补打 {0}」", "Print it again? It will bear “补打 {0}”"],
    reprintPlain: ["打这一张?它过期了,还没打过,不标「补打」", "Print it? It came too late and has never been begun, so it will not bear “补打”"],
    yesReprint: ["确定补打", "Yes, print again"],
    reprintOn: ["在哪台打", "On which printer"],
    preview: ["小票预览", "Preview of the ticket"],
    previewNone: ["没有预览", "No preview"],
    notYet: ["这张还没打,不用补打", "This one has not come out yet; it will"],

    sentTest: ["测试页已送去打印:{0}", "Test page on its way: {0}"],
    sentNumber: ["编号 {0} 已送去打印", "Number {0} is on its way"],
    sentReprint: ["已送去补打", "It is printed again"],
    sentRelease: ["已送去重打", "It is printed again"],
    settled: ["好的,不再打印", "Done; it is not printed again"],
    added: ["已添加:{0}", "Added: {0}"],
    saved: ["已保存", "Saved"],
    removed: ["已删除:{0}", "Removed: {0}"],
    paused: ["已暂停:{0}", "Paused: {0}"],
    resumed: ["继续打印:{0}", "Prints again: {0}"],
    about: ["打印程序", "Printing program"],
    others: ["其他设备:用本机 IP 地址和端口 {0} 打开本页,PIN ", "Other devices: open this PC's IP address with port {0}; PIN "],
    unreachable: ["打印程序没有回应,请再试一次", "The printing program does not answer; try again"],

  };

  const stored = () => {
    try { return localStorage.getItem(STORED); } catch (error) { return null; }
  };

  docket.languages = [["zh", "zh-CN", "中文"], ["en", "en", "English"]];
  docket.language = stored() === "en" ? "en" : "zh";

  // The words of a key; {0} stands for the argument.
  docket.say = (key, argument) => {
    const said = words[key][docket.language === "en" ? 1 : 0];
    return argument === undefined ? said : said.replace("{0}", argument);
  };

  // What came in both languages.
  docket.pick = (both) => (docket.language === "en" ? both.en : both.zh);

  docket.stationName = (station) => docket.say("stationNames")[station] || station;

  docket.setLanguage = (language) => {
    docket.language = language;
    try { localStorage.setItem(STORED, language); } catch (error) { /* It lasts as long as the page. */ }
  };
})();
